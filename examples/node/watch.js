// node watch.js FOLDER: print what changes, and write each signed document to a file.
'use strict';

const fs = require('fs');
const path = require('path');
const { Pool } = require('pg');
const { Changes } = require('./signatures');

const folder = process.argv[2];
const pool = new Pool();
const changes = new Changes({ application_name: 'watch' });

// Write a proof, whole or not at all.
async function save(request) {
  const file = path.join(folder, `${request}.pdf`);

  if (fs.existsSync(file)) return;
  const { rows } = await pool.query('SELECT ignisign_proof($1) AS pdf', [request]);
  if (rows[0].pdf === null) return;
  fs.writeFileSync(`${file}.part`, rows[0].pdf);
  fs.renameSync(`${file}.part`, file);
  console.log(`${request} is in ${file}`);
}

// What may have been missed.
async function catchUp() {
  const { rows } = await pool.query(
    "SELECT request FROM ignisign.proof WHERE proof_type = 'PDF_WITH_SIGNATURES' AND document = 1");
  for (const row of rows) await save(row.request);
  console.log('listening');
}

function complain(error) {
  console.error(error.message);
}

pool.on('error', complain);
changes.on('lost', (error) => console.log(`the connection is lost: ${error ? error.message : 'closed'}`));
changes.on('listening', () => catchUp().catch(complain));
changes.on('change', ({ request, event, status }) => {
  console.log([request, event, status].filter(Boolean).join(' '));
  if (event === 'proof') save(request).catch(complain);
});

process.on('SIGTERM', () => changes.stop().then(() => pool.end()).then(() => process.exit(0)));
