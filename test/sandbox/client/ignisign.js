// A client of the Ignisign API v4 for Node, in the shape of the vendor's SDK.
// It knows what the API's documentation says, and nothing of the sandbox.
'use strict';

class IgnisignError extends Error {
  constructor(status, body, text) {
    const message = body && body.message;
    super(`API Error (${status}): ${typeof message === 'string' ? message : JSON.stringify(message) || text}`);
    Object.assign(this, { status, code: body && body.code, context: body && body.context, body });
  }
}

// skv2_<environment>_<uuid>_<secret> tells environment and application.
function exportAppIdAndEnv(key) {
  const [prefix, env, uuid] = key.split('_');
  if (prefix !== 'skv2' || !env || !uuid) throw new Error('not an API key');
  return { appId: `appId_${uuid}`, appEnv: env.toUpperCase() };
}

class Ignisign {
  // By key, { apiKey }, or by secret, { appId, appEnv, appSecret }.
  constructor({ apiKey, appId, appEnv, appSecret, serverUrl = process.env.IGNISIGN_SERVER_URL || 'https://api.ignisign.io' }) {
    Object.assign(this, { apiKey, appId, appEnv, appSecret, serverUrl, logins: 0 });
    if (apiKey) Object.assign(this, exportAppIdAndEnv(apiKey));
    this.app = `applications/${this.appId}/envs/${this.appEnv}`;
  }

  // ---- Authentication ----

  async login() {
    const body = { appId: this.appId, appEnv: this.appEnv, secret: this.appSecret };
    const { jwtToken } = await this.send('POST', 'auth/app-api', { json: body, bearer: null });
    this.logins += 1;
    this.token = jwtToken;
    this.expires = JSON.parse(Buffer.from(jwtToken.split('.')[1], 'base64url').toString()).exp;
    return jwtToken;
  }

  async bearer() {
    if (this.apiKey) return this.apiKey;
    if (!this.token || this.expires * 1000 <= Date.now()) await this.login();
    return this.token;
  }

  // ---- Transport ----

  async send(method, path, { json, form, bearer, binary } = {}) {
    const headers = { Accept: 'application/json' };
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    if (json !== undefined) headers['Content-Type'] = 'application/json';
    const response = await fetch(`${this.serverUrl}/v4/${path}`, {
      method,
      headers,
      body: form || (json === undefined ? undefined : JSON.stringify(json)),
    });
    if (!response.ok) {
      const text = await response.text();
      let body = null;
      try { body = JSON.parse(text); } catch { /* a proxy's words */ }
      throw new IgnisignError(response.status, body, response.statusText);
    }
    if (binary) return { type: response.headers.get('content-type'), bytes: Buffer.from(await response.arrayBuffer()) };
    return response.json();
  }

  // With the bearer; a token that is refused is renewed, once.
  async call(method, path, options = {}) {
    try {
      return await this.send(method, path, { ...options, bearer: await this.bearer() });
    } catch (error) {
      if (error.status !== 401 || !this.token) throw error;
      this.token = null;
      return this.send(method, path, { ...options, bearer: await this.bearer() });
    }
  }

  static form(part, bytes, name, type) {
    const form = new FormData();
    form.append(part, new Blob([bytes], { type }), name);
    return form;
  }

  // ---- Application and signature requests ----

  getApplicationContext() { return this.call('GET', `applications/${this.appId}/context`); }
  oneCallSign(dto) { return this.call('POST', 'signature-requests/one-call-sign', { json: dto }); }
  initSignatureRequest() { return this.call('POST', `${this.app}/signature-requests`, { json: {} }); }
  getSignatureRequests(page = 1) { return this.call('GET', `${this.app}/signature-requests?page=${page}`); }
  updateSignatureRequest(id, dto) { return this.call('PUT', `signature-requests/${id}`, { json: dto }); }
  publishSignatureRequest(id) { return this.call('POST', `signature-requests/${id}/publish`, { json: {} }); }
  closeSignatureRequest(id) { return this.call('POST', `signature-requests/${id}/close`, { json: {} }); }
  getSignatureRequestContext(id) { return this.call('GET', `signature-requests/${id}/context`); }
  getSignatureRequestsStatus(ids) {
    return this.call('POST', `${this.app}/signature-requests/status`, { json: { signatureRequestIds: ids } });
  }
  checkSignersCanBeAdded(id, emails) {
    return this.call('POST', `signature-requests/${id}/check-signers-can-be-added`, { json: { emails } });
  }
  resendEmail(id, signerId) { return this.call('POST', `signature-requests/${id}/${signerId}/resend-email`); }
  initSignerSetup() { return this.call('POST', `${this.app}/signer-setup`, { json: {} }); }

  // ---- Documents ----

  uploadDocument(bytes, name, type) {
    return this.call('POST', `${this.app}/documents`, { form: Ignisign.form('document', bytes, name, type) });
  }
  initDocument(dto) { return this.call('POST', `${this.app}/init-documents`, { json: dto }); }
  provideFile(id, bytes, name, type) {
    return this.call('POST', `documents/${id}/file`, { form: Ignisign.form('file', bytes, name, type) });
  }
  provideDataJson(id, content) { return this.call('POST', `documents/${id}/data-json-content`, { json: { jsonContent: content } }); }
  providePrivateFile(id, hash) { return this.call('POST', `documents/${id}/private-content`, { json: { documentHash: hash } }); }
  removeDocumentContent(id) { return this.call('DELETE', `documents/${id}/content`); }
  getDocument(id) { return this.call('GET', `documents/${id}`); }
  updateDocument(id, dto) { return this.call('PUT', `documents/${id}`, { json: dto }); }
  removeDocument(id) { return this.call('DELETE', `documents/${id}`); }
  getDocumentContext(id) { return this.call('GET', `documents/${id}/context`); }
  downloadOriginal(id) { return this.call('GET', `documents/${id}/file`, { binary: true }); }
  checkDocumentAuthenticity(id, bytes, name, type) {
    return this.call('POST', `documents/${id}/check-authenticity`, { form: Ignisign.form('file', bytes, name, type) });
  }

  // ---- Proofs ----

  downloadProof(id, type) { return this.call('GET', `documents/${id}/signature-type/${type}`, { binary: true }); }
  downloadSignerProof(id, type, signerId) {
    return this.call('GET', `documents/${id}/signature-type/${type}/signers/${signerId}`, { binary: true });
  }
  getSignatures(id) { return this.call('GET', `documents/${id}/signatures`); }
  getSignature(id, signatureId) { return this.call('GET', `documents/${id}/signatures/${signatureId}`); }
  getSignatureImages(id) { return this.call('GET', `documents/${id}/img-signatures`); }

  // ---- Signers and their profiles ----

  createSigner(dto) { return this.call('POST', `${this.app}/signers`, { json: dto }); }
  getSigner(id) { return this.call('GET', `${this.app}/signers/${id}`); }
  getSignerWithDetails(id) { return this.call('GET', `${this.app}/signers/${id}/details`); }
  updateSigner(id, dto) { return this.call('PUT', `${this.app}/signers/${id}`, { json: { ...dto, signerId: id } }); }
  revokeSigner(id) { return this.call('DELETE', `${this.app}/signers/${id}/revoke`); }
  regenerateSignerAuthSecret(id) { return this.call('PUT', `${this.app}/signers/${id}/regenerate-auth-secret`, { json: {} }); }
  getSignersPaginate(page = 0) { return this.call('GET', `${this.app}/signers-paginate?page=${page}`); }
  searchSigners(filter, method = 'POST') { return this.call(method, `${this.app}/signers-search?filter=${encodeURIComponent(filter)}`); }
  getSignerProfiles() { return this.call('GET', `${this.app}/signer-profiles`); }
  getSignerProfile(id) { return this.call('GET', `${this.app}/signer-profiles/${id}`); }
  getSignerInputsNeeded(id) { return this.call('GET', `${this.app}/signer-profiles/${id}/inputs-needed`); }

  // ---- Webhooks ----

  addWebhook(dto) { return this.call('POST', `${this.app}/webhooks`, { json: dto }); }
  addWebhookForTopics(dto) { return this.call('POST', `${this.app}/webhooks/endpoints`, { json: dto }); }
  getWebhooks() { return this.call('GET', `${this.app}/webhooks`); }
  updateWebhook(id, dto) { return this.call('PUT', `webhooks/${id}`, { json: dto }); }
  deleteWebhook(id) { return this.call('DELETE', `webhooks/${id}`); }
  disableWebhookTopics(id, topics) { return this.call('POST', `webhooks/${id}/disabled-events`, { json: { topics } }); }
  getWebhookEvents(id, filter = 'ALL', page = 1) { return this.call('GET', `webhooks/${id}/events?filter=${filter}&page=${page}`); }
  getWebhookEvent(id, eventId) { return this.call('GET', `webhooks/${id}/events/${eventId}`); }
  resendWebhookEvent(id, eventId) { return this.call('POST', `webhooks/${id}/events/${eventId}/resend`, { json: {} }); }
  async checkWebhookToken(token) {
    const json = { token, appId: this.appId, appEnv: this.appEnv };
    return this.call('POST', 'tokens/webhook-verification/checking-consumption', { json });
  }

  // Whether a message is for this application, and genuine.
  async consumeWebhook({ appId, appEnv, verificationToken }) {
    if (appId !== this.appId || appEnv !== this.appEnv || !verificationToken) return false;
    try { return (await this.checkWebhookToken(verificationToken)).isValid; } catch { return false; }
  }
}

module.exports = { Ignisign, IgnisignError, exportAppIdAndEnv };
