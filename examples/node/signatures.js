// What an application needs of ignisign: ask for signatures in its transactions, and
// hear of what became of them.
'use strict';

const { EventEmitter } = require('events');
const { Client } = require('pg');

// Ask one person to sign a PDF; returns the request's id.  db is a client or a pool of
// pg; with a client in a transaction, nobody is asked unless that commits.
async function sign(db, { title, pdf, fileName, email, firstName, lastName }) {
  const { rows } = await db.query(
    `SELECT ignisign_sign(title => $1, document => $2::bytea, file_name => $3,
       signers => ARRAY[ignisign_signer($4, $5, $6)]) AS id`,
    [title, pdf, fileName, email, firstName, lastName]);
  return rows[0].id;
}

// Tells of each change: .on('change', ({ request, event, status, previous }) => ...).
// It needs a connection of its own, to PostgreSQL or to a pool by sessions.
//
// While there is no connection, nothing is told, so .on('listening', ...) is the time
// to look at the rows: at the start, and whenever a connection that was lost is back.
class Changes extends EventEmitter {
  constructor(config = {}) {
    super();
    this.config = config;
    this.stopped = false;
    this.connect();
  }

  connect() {
    const client = new Client(this.config);
    let over = false;
    const retry = (error) => {
      if (over) return;
      over = true;
      client.end().catch(() => {});
      if (this.stopped) return;
      this.emit('lost', error);
      this.timer = setTimeout(() => this.connect(), 1000);
    };

    this.client = client;
    client.on('notification', (message) => this.emit('change', JSON.parse(message.payload)));
    client.on('error', retry);
    client.on('end', retry);
    client.connect()
      .then(() => client.query('LISTEN ignisign'))
      .then(() => this.emit('listening'))
      .catch(retry);
  }

  async stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.client.end().catch(() => {});
  }
}

module.exports = { sign, Changes };
