// node sign.js FILE EMAIL FIRST_NAME LAST_NAME: ask somebody to sign a PDF.
'use strict';

const fs = require('fs');
const path = require('path');
const { Pool } = require('pg');
const { sign } = require('./signatures');

async function main([file, email, firstName, lastName]) {
  const pool = new Pool();
  const name = path.basename(file);
  const id = await sign(pool, {
    title: name, pdf: fs.readFileSync(file), fileName: name, email, firstName, lastName,
  });

  console.log(id);
  await pool.end();
}

main(process.argv.slice(2)).catch((error) => {
  // error.code is the SQLSTATE, such as IG003 for a malformed e-mail address.
  console.error(`${error.code}: ${error.message}`);
  process.exit(1);
});
