// An HTTP/2 server before one that speaks HTTP/1.1, for the tests: what comes in over TLS
// goes to the sandbox, and its answers come back. How streams and connections end
// is told by the test, since the sandbox cannot break what it does not speak.
//
//   node http2.js PORT SANDBOX_PORT CERTIFICATE_FILE KEY_FILE
//
// POST /_proxy/MODE has the next one-call-sign meet a MODE:
//   refuse   the stream is refused, the sandbox sees nothing
//   reset    the sandbox has processed the request, and the stream is reset
//   cut      the same, and the whole connection is cut off
//   drain    answered, and the connection takes no more streams (GOAWAY)
// GET /_proxy tells of these calls: connections and streams that there were, and the most
// streams that one connection had at a time.

'use strict';

const fs = require('fs');
const http = require('http');
const http2 = require('http2');

const [port, sandbox, certificate, key] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
const modes = [];
const seen = { connections: 0, streams: 0, most: 0 };

// Headers of HTTP/1.1 that HTTP/2 does not allow.
const hopByHop = ['connection', 'keep-alive', 'transfer-encoding', 'date'];

function control(request, response) {
  const mode = request.url.slice('/_proxy/'.length);

  if (mode) modes.push(mode);
  response.end(JSON.stringify(seen));
}

function count(session) {
  if (!session.seen) {
    session.seen = true;
    seen.connections++;
  }
  session.open = (session.open || 0) + 1;
  seen.streams++;
  seen.most = Math.max(seen.most, session.open);
}

function forward(request, response) {
  const headers = {};

  for (const [name, value] of Object.entries(request.headers)) {
    if (!name.startsWith(':')) headers[name] = value;
  }
  headers.host = request.headers[':authority'] || request.headers.host;

  const { stream } = request;
  const session = request.httpVersion === '2.0' && stream.session;
  const signing = session && request.url.includes('/one-call-sign');
  const mode = signing ? modes.shift() : undefined;

  if (signing) {
    count(session);
    stream.on('close', () => { session.open--; });
  }
  if (mode === 'refuse') {
    stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    return;
  }

  const onward = http.request(
    { host: '127.0.0.1', port: sandbox, path: request.url, method: request.method, headers, agent },
    (answer) => {
      const parts = [];

      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        if (mode === 'reset') {
          stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
          return;
        }
        if (mode === 'cut') {
          session.destroy();
          return;
        }
        if (mode === 'drain') session.goaway(http2.constants.NGHTTP2_NO_ERROR);
        response.statusCode = answer.statusCode;
        for (const [name, value] of Object.entries(answer.headers)) {
          if (!hopByHop.includes(name)) response.setHeader(name, value);
        }
        response.end(Buffer.concat(parts));
      });
    },
  );

  onward.on('error', () => (session ? stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR) : response.destroy()));
  stream.on('error', () => {});
  request.pipe(onward);
}

http2
  .createSecureServer(
    { cert: fs.readFileSync(certificate), key: fs.readFileSync(key), allowHTTP1: true },
    (request, response) => (request.url.startsWith('/_proxy') ? control : forward)(request, response),
  )
  .on('sessionError', () => {})
  .listen(Number(port), '127.0.0.1', () => console.log('ready'));
