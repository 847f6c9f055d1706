// Takes Ignisign's webhooks and hands them to the database, which stores them
// before it answers.  PGHOST, PGDATABASE, PGUSER and the like say where that is.
const express = require('express');
const { Pool } = require('pg');

const pool = new Pool();
const app = express();

app.post('/webhooks/:secret', express.json({ limit: '1mb' }), async (req, res) => {
  if (req.params.secret !== process.env.WEBHOOK_SECRET) return res.sendStatus(404);
  try {
    await pool.query('SELECT ignisign_webhook($1::jsonb)', [JSON.stringify(req.body)]);
    res.sendStatus(200);
  } catch (error) {
    console.error(error.message);
    res.sendStatus(error.code === '22023' ? 400 : 503); // 503: Ignisign shall resend it
  }
});

const server = app.listen(process.env.PORT, '127.0.0.1', () => console.log('ready'));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
