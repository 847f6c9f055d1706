// Whole scenarios, played by the client against the server that the environment
// names.  What a person does, such as to sign, is asked of the sandbox in act();
// everything else goes through the API.  Prints TAP.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const { Ignisign, IgnisignError } = require('./ignisign.js');

const serverUrl = process.env.IGNISIGN_SERVER_URL;
const uuid = '5a4db0c5-0000-4000-8000-000000000001';
const sdk = new Ignisign({ apiKey: `skv2_development_${uuid}_sandboxsecret`, serverUrl });
const pdf = fs.readFileSync(process.argv[2]);
const nobody = '0'.repeat(24);
const ID = /^[0-9a-f]{24}$/;

let tests = 0;
let failed = 0;
async function test(name, body) {
  let error;
  try { await body(); } catch (e) { error = e; }
  console.log(`${error ? 'not ok' : 'ok'} ${++tests} - ${name}`);
  if (error) {
    failed += 1;
    console.log(String(error.stack).replace(/^/gm, '# '));
  }
}

async function act(path, body = {}) {
  const response = await fetch(`${serverUrl}/_sandbox/${path}`, { method: 'POST', body: JSON.stringify(body) });
  assert.strictEqual(response.status, 200, await response.text());
}

async function until(condition) {
  for (const end = Date.now() + 30000; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) {
    const result = await condition();
    if (result) return result;
  }
  throw new Error('waited in vain');
}

function refused(promise, code, status = 400) {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof IgnisignError, error);
    assert.strictEqual(error.code, code);
    assert.strictEqual(error.status, status);
    assert.deepStrictEqual(Object.keys(error.body).sort(), ['code', 'context', 'message', 'status', 'timestamp']);
    assert.strictEqual(error.body.status, status);
    return true;
  });
}

const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('base64');
const status = async (id) => (await sdk.getSignatureRequestContext(id)).status;
const completed = (id) => until(async () => (await status(id)) === 'COMPLETED');

function oneCall(change = {}) {
  return sdk.oneCallSign({
    title: 'Contract signature',
    signatureMethod: 'SIMPLE_STD',
    signers: [{ email: 'john@example.com', firstName: 'John', lastName: 'Doe' }],
    documents: [{ originalName: 'contract.pdf', mimeType: 'application/pdf', base64: pdf.toString('base64') }],
    ...change,
  });
}

// Step by step; returns the ids of request, signers and documents.
async function draft({ signers = [{ email: 'ann@example.com' }], settings = {}, documents = ['pdf'], approvers = [] } = {}) {
  const signerIds = [];
  for (const signer of signers) signerIds.push((await sdk.createSigner(signer)).signerId);
  const approverIds = [];
  for (const approver of approvers) approverIds.push((await sdk.createSigner(approver)).signerId);
  const { signatureRequestId } = await sdk.initSignatureRequest();
  const documentIds = [];
  for (const kind of documents) {
    const { documentId } = await sdk.initDocument({ signatureRequestId, label: kind, externalId: `ext-${kind}` });
    if (kind === 'pdf') await sdk.provideFile(documentId, pdf, 'lease.pdf', 'application/pdf');
    if (kind === 'text') await sdk.provideFile(documentId, 'hello', 'b.txt', 'text/plain');
    if (kind === 'json') await sdk.provideDataJson(documentId, { amount: 12, note: 'é' });
    if (kind === 'private') await sdk.providePrivateFile(documentId, sha256('secret'));
    documentIds.push(documentId);
  }
  const context = await sdk.updateSignatureRequest(signatureRequestId, {
    title: 'Lease 2026-7', documentIds, signerIds, defaultSignatureMethod: 'SIMPLE_STD',
    ...(approverIds.length ? { signerIdsAsApprover: approverIds } : {}), ...settings,
  });
  assert.strictEqual(context.status, 'DRAFT');
  return { id: signatureRequestId, signerIds, documentIds, approverIds };
}

async function main() {
  const profiles = await sdk.getSignerProfiles();
  const bySide = profiles.find((profile) => profile.integrationMode === 'BY_SIDE');
  const embedded = profiles.find((profile) => profile.integrationMode === 'EMBEDDED');

  await test('the application tells who it is', async () => {
    const app = await sdk.getApplicationContext();
    assert.strictEqual(app.appId, `appId_${uuid}`);
    assert.strictEqual(app.ignisignApiVersion, 'V4');
    assert.strictEqual(app.appType, 'SIGNATURE');
    assert.match(app.envSettings.DEVELOPMENT.defaultSignerProfileId, ID);
    assert.deepStrictEqual(app.signerProfiles.DEVELOPMENT, profiles);
  });

  await test('login by secret: a token that is cached, and renewed when it ends or is refused', async () => {
    const way = new Ignisign({ appId: `appId_${uuid}`, appEnv: 'DEVELOPMENT', appSecret: 'sk_development_sandboxsecret', serverUrl });
    for (let i = 0; i < 3; i++) await way.getSignatureRequests();
    assert.strictEqual(way.logins, 1);
    way.expires = 0;
    await way.getSignatureRequests();
    assert.strictEqual(way.logins, 2);
    await act('revoke-logins');
    await way.getSignatureRequests();
    assert.strictEqual(way.logins, 3);
    const header = JSON.parse(Buffer.from(way.token.split('.')[0], 'base64url').toString());
    assert.strictEqual(header.alg, 'HS256');
    way.token = null;
    way.appSecret = 'wrong';
    await refused(way.getSignatureRequests(), 'AUTHENTICATION_FAILED', 401);
  });

  await test('one call: created, mailed, signed, completed, proven', async () => {
    const created = await oneCall();
    const id = created.signatureRequestId;
    assert.match(id, ID);
    assert.strictEqual(created.signersBySide.length, 1);
    assert.deepStrictEqual(created.signersEmbedded, []);
    const context = await until(async () => {
      const now = await sdk.getSignatureRequestContext(id);
      return now.status === 'IN_PROGRESS' && now;
    });
    assert.strictEqual(context.title, 'Contract signature');
    assert.strictEqual(context.signatureRequestType, 'STANDARD');
    assert.strictEqual(context.defaultSignatureMethod, 'SIMPLE_STD');
    assert.strictEqual(context.diffusionMode, 'WHEN_READY');
    assert.strictEqual(context.individualizeRequests, false);
    assert.strictEqual(context.signatureProofStatus, 'NOT_INITIALIZED');
    assert.deepStrictEqual(context.signedBy, []);
    const [document] = context.documents;
    assert.strictEqual(document.documentNature, 'PDF');
    assert.strictEqual(document.status, 'PROVIDED');
    assert.strictEqual(document.fileName, 'contract.pdf');
    assert.strictEqual(document.fileSize, pdf.length);
    assert.strictEqual(document.documentHash, sha256(pdf));
    const [signer] = context.signers;
    assert.strictEqual(signer.email, 'john@example.com');
    assert.deepStrictEqual(signer.alreadyProvidedInputs, ['email', 'firstName', 'lastName']);
    assert.deepStrictEqual(await sdk.getSignatureRequestsStatus([id, nobody]),
      { signatureRequests: [{ signatureRequestId: id, status: 'IN_PROGRESS' }] });
    assert.deepStrictEqual(await sdk.checkSignersCanBeAdded(id, ['john@example.com', 'eve@example.com']),
      { emails: ['eve@example.com'], canBeAdded: false });
    await sdk.resendEmail(id, signer.signerId);
    await refused(sdk.downloadProof(document._id, 'PDF_WITH_SIGNATURES'), 'DOCUMENT_PROOF_NOT_CREATED');
    await act(`requests/${id}/sign`);
    await completed(id);
    await until(async () => (await sdk.getSignatureRequestContext(id)).signatureProofStatus === 'CREATED');
    assert.deepStrictEqual((await sdk.getSignatureRequestContext(id)).signedBy, [signer.signerId]);
    const proof = await sdk.downloadProof(document._id, 'PDF_WITH_SIGNATURES');
    assert.strictEqual(proof.type, 'application/pdf');
    assert.ok(proof.bytes.subarray(0, 5).equals(Buffer.from('%PDF-')));
    assert.ok(proof.bytes.length > pdf.length);
    await refused(sdk.resendEmail(id, signer.signerId), 'SIGNER_ALREADY_SIGNED');
  });

  await test('one call by URL, and with an embedded signer', async () => {
    const { signatureRequestId, signersEmbedded } = await oneCall({
      signers: [{ email: 'page1@example.com', signerProfileId: embedded._id }],
      documents: [{ originalName: 'h.json', mimeType: 'application/json', url: `${serverUrl}/v4/healthcheck` }],
    });
    assert.ok(signersEmbedded[0].token);
    assert.strictEqual((await sdk.getSignatureRequestContext(signatureRequestId)).documents[0].documentNature, 'FILE');
  });

  await test('step by step, by side: everything that the update takes', async () => {
    const settings = {
      description: 'Flat 3', language: 'EN', externalId: 'lease-7', recipients: ['archive@example.org'],
      expirationDateIsActivated: true, expirationDate: new Date(Date.now() + 86400000).toISOString(),
      diffusionMode: 'WHEN_READY', signerProfilesSignatureMethod: [{ signerProfileId: bySide._id, signatureMethodRef: 'SIMPLE_STD' }],
    };
    const signers = [
      { email: 'ada@example.org', firstName: 'Ada', lastName: 'Lovelace', externalId: 'crm-42', birthDate: '1815-12-10', nationality: 'GB' },
      { email: 'bob@example.org' },
    ];
    const { id, signerIds, documentIds } = await draft({ signers, settings, documents: ['pdf', 'text', 'json', 'private'] });
    await sdk.updateSignatureRequest(id, {
      statements: [{ appId: sdk.appId, appEnv: sdk.appEnv, signatureRequestId: id, documentId: documentIds[0], labelMd: 'I **agree**' }],
    });
    const published = await sdk.publishSignatureRequest(id);
    assert.deepStrictEqual(published.signersBySide, [
      { signerId: signerIds[0], signerExternalId: 'crm-42' }, { signerId: signerIds[1], signerExternalId: null }]);
    await refused(sdk.publishSignatureRequest(id), 'CANNOT_PUBLISH_SIGNATURE_REQUEST__REQUEST_ALREADY_PUBLISHED');
    const context = await sdk.getSignatureRequestContext(id);
    for (const [name, value] of Object.entries(settings)) assert.deepStrictEqual(context[name], value, name);
    assert.deepStrictEqual(context.documentIds, documentIds);
    assert.deepStrictEqual(context.documents.map((document) => document.documentNature), ['PDF', 'FILE', 'DATA_JSON', 'PRIVATE_FILE']);
    assert.strictEqual(context.documents[3].documentHash, sha256('secret'));
    assert.deepStrictEqual(JSON.parse(context.documents[2].dataJsonContent), { amount: 12, note: 'é' });
    await act(`requests/${id}/sign`, { email: 'bob@example.org' });
    assert.deepStrictEqual((await sdk.getSignatureRequestContext(id)).signedBy, [signerIds[1]]);
    await act(`requests/${id}/sign`, { email: 'ada@example.org' });
    await completed(id);
    for (const documentId of documentIds) {
      const { signatureSummaries } = await sdk.getDocumentContext(documentId);
      assert.deepStrictEqual(signatureSummaries.map((summary) => summary.signerId).sort(), [...signerIds].sort());
      const signatures = await sdk.getSignatures(documentId);
      assert.strictEqual(signatures.length, 2);
      const one = await sdk.getSignature(documentId, signatures[0]._id);
      assert.strictEqual(one.status, 'SIGNED');
      assert.ok(signatureSummaries.some((summary) => summary.signatureId === one._id));
      await refused(sdk.getSignatureImages(documentId), 'NO_SIGNATURE_IMAGES_FOUND', 404);
    }
  });

  await test('every kind of proof, for every kind of document', async () => {
    const { id, signerIds, documentIds } = await draft({ documents: ['pdf', 'text', 'json', 'private'] });
    await sdk.publishSignatureRequest(id);
    await refused(sdk.downloadSignerProof(documentIds[0], 'CADES', signerIds[0]), 'SIGNER_NOT_SIGNED_YET');
    await act(`requests/${id}/sign`);
    await completed(id);
    await until(async () => (await sdk.getSignatureRequestContext(id)).signatureProofStatus === 'CREATED');
    const starts = async (download, type, start) => {
      const proof = await download;
      assert.strictEqual(proof.type.split(';')[0], type);
      assert.ok(proof.bytes.subarray(0, start.length).equals(Buffer.from(start, 'latin1')), type);
    };
    const [pdfId, textId, jsonId, privateId] = documentIds;
    for (const documentId of [pdfId, textId, privateId]) {
      await starts(sdk.downloadProof(documentId, 'PDF_WITH_SIGNATURES'), 'application/pdf', '%PDF-');
    }
    for (const documentId of documentIds) {
      await starts(sdk.downloadProof(documentId, 'ADVANCED_LEGAL_KIT'), 'application/zip', 'PK\x03\x04');
    }
    const given = async (documentId) => {
      const types = [];
      for (const type of ['CADES', 'PKCS7', 'PADES_ATTACHED', 'JWSDET', 'JWSATT', 'JADESDET', 'JADESATT', 'XADESDET', 'XADESATT', 'XMLDSIGDET', 'XMLDSIGATT']) {
        const proof = await sdk.downloadSignerProof(documentId, type, signerIds[0]).catch((error) => error);
        if (proof instanceof IgnisignError) assert.match(proof.code, /^(SIGNATURE_PROOF_TYPE_NOT_AVAILABLE|NOT_YET_IMPLEMENTED)$/, type);
        else types.push(type);
      }
      return types;
    };
    for (const type of ['CADES', 'PKCS7', 'PADES_ATTACHED']) assert.ok((await given(pdfId)).includes(type), type);
    for (const type of ['CADES', 'PKCS7']) assert.ok((await given(textId)).includes(type), type);
    for (const type of ['JWSATT', 'JADESATT']) assert.ok((await given(jsonId)).includes(type), type);
    await starts(sdk.downloadProof(jsonId, 'SIGNED_DATA'), 'application/json', '{');
    await refused(sdk.downloadProof(jsonId, 'PDF_WITH_SIGNATURES'), 'SIGNATURE_PROOF_TYPE_NOT_AVAILABLE');
    await refused(sdk.downloadProof(pdfId, 'SIGNED_DATA'), 'SIGNATURE_PROOF_TYPE_NOT_AVAILABLE');
    await refused(sdk.downloadProof(pdfId, 'NONSENSE'), 'PARAMS_VALIDATION_FAILED');
    assert.ok((await sdk.downloadOriginal(pdfId)).bytes.equals(pdf));
    assert.strictEqual((await sdk.downloadOriginal(textId)).type, 'text/plain');
    await refused(sdk.downloadOriginal(privateId), 'DOCUMENT_BAD_NATURE');
    assert.deepStrictEqual(await sdk.checkDocumentAuthenticity(pdfId, pdf, 'x.pdf', 'application/pdf'),
      { documentId: pdfId, authenticityValidated: true });
    assert.strictEqual((await sdk.checkDocumentAuthenticity(privateId, 'secret', 's.txt', 'text/plain')).authenticityValidated, true);
    assert.strictEqual((await sdk.checkDocumentAuthenticity(pdfId, 'other', 'x.pdf', 'application/pdf')).authenticityValidated, false);
    await act(`requests/${id}/originals-cleaned`);
    await refused(sdk.downloadOriginal(pdfId), 'DOCUMENT_HAS_BEEN_REMOVED');
    await act(`requests/${id}/proof-cleaned`);
    await refused(sdk.downloadProof(pdfId, 'PDF_WITH_SIGNATURES'), 'DOCUMENT_PROOF_HAS_BEEN_REMOVED');
  });

  await test('embedded: a token for the page, a secret for the signer', async () => {
    const signer = { email: 'page2@example.com', signerProfileId: embedded._id };
    const { authSecret, signerId } = await sdk.createSigner(signer);
    assert.ok(authSecret);
    const { id } = await draft({ signers: [signer, { email: 'mail@example.com' }] });
    const published = await sdk.publishSignatureRequest(id);
    assert.strictEqual(published.signersBySide.length, 1);
    assert.strictEqual(published.signersEmbedded[0].signerId, signerId);
    assert.ok(published.signersEmbedded[0].token);
    assert.notStrictEqual((await sdk.regenerateSignerAuthSecret(signerId)).authSecret, authSecret);
  });

  await test('approvers act before the others sign', async () => {
    const { id, signerIds, approverIds } = await draft({ approvers: [{ email: 'boss@example.com' }] });
    await sdk.publishSignatureRequest(id);
    await assert.rejects(act(`requests/${id}/sign`, { email: 'ann@example.com' }));
    const context = await sdk.getSignatureRequestContext(id);
    assert.deepStrictEqual(context.signerIdsAsApprover, approverIds);
    assert.deepStrictEqual(context.signerIds, signerIds);
    await sdk.resendEmail(id, approverIds[0]);
    await act(`requests/${id}/sign`, { email: 'boss@example.com' });
    assert.strictEqual(await status(id), 'IN_PROGRESS');
    await refused(sdk.resendEmail(id, approverIds[0]), 'SIGNER_ALREADY_SIGNED');
    await act(`requests/${id}/sign`, { email: 'ann@example.com' });
    await completed(id);
    assert.deepStrictEqual((await sdk.getSignatureRequestContext(id)).signedBy, signerIds);
  });

  await test('one request for each signer', async () => {
    const { id, signerIds } = await draft({
      signers: [{ email: 'one@example.com' }, { email: 'two@example.com' }],
      settings: { individualizeRequests: true, externalId: 'many-7' },
    });
    assert.strictEqual((await sdk.publishSignatureRequest(id)).signersBySide.length, 2);
    const parent = await sdk.getSignatureRequestContext(id);
    assert.strictEqual(parent.status, 'CHILDREN_GENERATED');
    assert.strictEqual(parent.individualizeRequests, true);
    const { signatureRequests } = await sdk.getSignatureRequests();
    const children = signatureRequests.filter((request) => request.initialSignatureRequestId === id);
    assert.deepStrictEqual(children.map((child) => child.signerIds[0]).sort(), [...signerIds].sort());
    for (const child of children) {
      assert.strictEqual(child.externalId, 'many-7');
      await act(`requests/${child._id}/sign`);
      await completed(child._id);
      assert.ok((await sdk.downloadOriginal(child.documentIds[0])).bytes.equals(pdf));
    }
    assert.strictEqual(await status(id), 'CHILDREN_GENERATED');
    await refused(sdk.closeSignatureRequest(id), 'SIGNATURE_REQUEST_BAD_STATUS');
  });

  await test('scheduled: READY until its date', async () => {
    const { id } = await draft({ settings: { diffusionMode: 'SCHEDULED', diffusionDate: new Date(Date.now() + 2000).toISOString() } });
    await sdk.publishSignatureRequest(id);
    assert.strictEqual(await status(id), 'READY');
    await assert.rejects(act(`requests/${id}/sign`));
    await until(async () => (await status(id)) === 'IN_PROGRESS');
  });

  await test('expiry: EXPIRED, or COMPLETED when somebody has signed', async () => {
    const settings = { expirationDateIsActivated: true, expirationDate: new Date(Date.now() + 2000).toISOString() };
    const nobodySigned = await draft({ settings });
    const oneSigned = await draft({ settings, signers: [{ email: 'ann@example.com' }, { email: 'late@example.com' }] });
    await sdk.publishSignatureRequest(nobodySigned.id);
    await sdk.publishSignatureRequest(oneSigned.id);
    await act(`requests/${oneSigned.id}/sign`, { email: 'ann@example.com' });
    await until(async () => (await status(nobodySigned.id)) === 'EXPIRED');
    await completed(oneSigned.id);
    assert.strictEqual((await sdk.getSignatureRequestContext(oneSigned.id)).signedBy.length, 1);
  });

  await test('close, in each state', async () => {
    const { id } = await draft();
    assert.deepStrictEqual(await sdk.closeSignatureRequest(id), { signatureRequestId: id });
    assert.strictEqual(await status(id), 'CANCELLED');
    await sdk.closeSignatureRequest(id);
    const open = (await oneCall()).signatureRequestId;
    await sdk.closeSignatureRequest(open);
    assert.strictEqual(await status(open), 'CANCELLED');
    const half = (await oneCall({ signers: [{ email: 'ann@example.com' }, { email: 'bob@example.com' }] })).signatureRequestId;
    await act(`requests/${half}/sign`, { email: 'ann@example.com' });
    await sdk.closeSignatureRequest(half);
    await completed(half);
    await refused(sdk.closeSignatureRequest(half), 'SIGNATURE_REQUEST_ALREADY_COMPLETED');
    for (const [action, end] of [['expire', 'EXPIRED'], ['fail', 'FAILED'], ['launch-error', 'LAUNCH_ERROR']]) {
      const ended = (await oneCall()).signatureRequestId;
      await act(`requests/${ended}/${action}`);
      assert.strictEqual(await status(ended), end);
      await refused(sdk.closeSignatureRequest(ended), 'SIGNATURE_REQUEST_BAD_STATUS');
    }
    const ready = await draft({ settings: { diffusionMode: 'SCHEDULED', diffusionDate: '2099-01-01T00:00:00.000Z' } });
    await sdk.publishSignatureRequest(ready.id);
    await sdk.closeSignatureRequest(ready.id);
    assert.strictEqual(await status(ready.id), 'CANCELLED');
    await refused(sdk.closeSignatureRequest(nobody), 'SIGNATURE_REQUEST_NOT_FOUND', 404);
  });

  await test('documents: uploaded at once, changed, emptied, removed', async () => {
    const uploaded = await sdk.uploadDocument(pdf, 'ünï "1".pdf', 'application/pdf');
    assert.match(uploaded.documentId, ID);
    assert.strictEqual(uploaded._id, uploaded.documentId);
    assert.strictEqual(uploaded.signatureRequestId, null);
    assert.strictEqual(uploaded.status, 'PROVIDED');
    const { id } = await draft({ documents: [], settings: { documentIds: [uploaded.documentId] } });
    assert.strictEqual((await sdk.getDocument(uploaded.documentId)).signatureRequestId, id);
    assert.strictEqual((await sdk.updateDocument(uploaded.documentId, { label: 'Lease v2', description: 'x' })).label, 'Lease v2');
    assert.strictEqual((await sdk.removeDocumentContent(uploaded.documentId)).status, 'CREATED');
    await refused(sdk.publishSignatureRequest(id), 'CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_HAVE_NO_CONTENT');
    await sdk.provideFile(uploaded.documentId, 'text', 'a.txt', 'text/plain');
    assert.deepStrictEqual(await sdk.removeDocument(uploaded.documentId), { documentId: uploaded.documentId });
    await refused(sdk.getDocument(uploaded.documentId), 'DOCUMENT_NOT_FOUND', 404);
    await refused(sdk.publishSignatureRequest(id), 'CANNOT_PUBLISH_SIGNATURE_REQUEST__NO_DOCUMENTS');
    await refused(sdk.initDocument({}), 'BODY_VALIDATION_FAILED');
  });

  await test('signers: made, found, completed, listed, searched, revoked', async () => {
    const made = await sdk.createSigner({ email: 'eve@example.org', firstName: 'Eve', externalId: 'crm-1' });
    assert.deepStrictEqual([made.entityType, made.success, made.alreadyExists], ['NATURAL', true, false]);
    const found = await sdk.createSigner({ email: 'EVE@example.org', lastName: 'Moss' });
    assert.deepStrictEqual([found.signerId, found.alreadyExists], [made.signerId, true]);
    await sdk.updateSigner(made.signerId, { phoneNumber: '+352621000000', externalId: 'crm-2' });
    const signer = await sdk.getSigner(made.signerId);
    assert.deepStrictEqual([signer.firstName, signer.lastName, signer.externalId, signer.status], ['Eve', 'Moss', 'crm-2', 'ACTIVE']);
    assert.ok(signer.alreadyProvidedInputs.includes('phoneNumber'));
    assert.strictEqual(signer.phoneNumber, undefined);
    const details = await sdk.getSignerWithDetails(made.signerId);
    assert.ok(Array.isArray(details.claims) && Array.isArray(details.latestSignatureRequests));
    for (let i = 0; i < 25; i++) await sdk.createSigner({ email: `many${i}@example.net` });
    const first = await sdk.getSignersPaginate(1);
    assert.ok(first.total >= 25 && first.signers.length === 20);
    assert.deepStrictEqual(await sdk.getSignersPaginate(0), first);
    assert.notDeepStrictEqual((await sdk.getSignersPaginate(2)).signers[0], first.signers[0]);
    assert.deepStrictEqual((await sdk.getSignersPaginate(99)).signers, []);
    for (const method of ['POST', 'GET']) {
      assert.strictEqual((await sdk.searchSigners('moss', method)).signers[0].signerId, made.signerId);
    }
    await refused(sdk.searchSigners(''), 'SEARCH_APPLICATION_SIGNERS_INVALID_FILTER');
    assert.deepStrictEqual(await sdk.revokeSigner(made.signerId), { signerId: made.signerId });
    await refused(draft({ signers: [{ email: 'eve@example.org' }] }), 'SIGNER_BLOCKED');
  });

  await test('profiles, and what they need', async () => {
    for (const profile of profiles) {
      assert.deepStrictEqual(await sdk.getSignerProfile(profile._id), profile);
      const needed = await sdk.getSignerInputsNeeded(profile._id);
      assert.strictEqual(needed.signerProfileId, profile._id);
      assert.ok(needed.inputsNeeded.includes('email') && Array.isArray(needed.optionalInputs));
      if (needed.inputsNeeded.includes('phoneNumber')) {
        await refused(sdk.createSigner({ email: 'sms@example.org', signerProfileId: profile._id }), 'SIGNER_CREATION__INPUT_FIELD_MISSING');
        await sdk.createSigner({ email: 'sms@example.org', firstName: 'S', lastName: 'M', phoneNumber: '+33612345678', signerProfileId: profile._id });
      }
    }
  });

  await test('pages of requests: newest first, each once', async () => {
    const seen = [];
    for (let page = 1, total = 1; seen.length < total; page++) {
      const { signatureRequests, paginationData } = await sdk.getSignatureRequests(page);
      assert.strictEqual(paginationData.page, page);
      assert.ok(signatureRequests.length > 0 && signatureRequests.length <= paginationData.nbEventsPerPage);
      total = paginationData.total;
      seen.push(...signatureRequests);
    }
    assert.strictEqual(new Set(seen.map((request) => request._id)).size, seen.length);
    assert.deepStrictEqual(seen.map((request) => request._createdAt), seen.map((request) => request._createdAt).sort().reverse());
    assert.deepStrictEqual((await sdk.getSignatureRequests(999)).signatureRequests, []);
  });

  await test('a request for a signer to set up means of authentication', async () => {
    const { signatureRequestId } = await sdk.initSignerSetup();
    assert.strictEqual((await sdk.getSignatureRequestContext(signatureRequestId)).signatureRequestType, 'SIGNER_SETUP');
  });

  await test('webhooks: registered, delivered, verified once, logged, sent again, muted, removed', async () => {
    const messages = [];
    let answer = 200;
    const server = http.createServer((req, res) => {
      let body = '';
      req.on('data', (data) => { body += data; });
      req.on('end', () => {
        messages.push({ headers: req.headers, ...JSON.parse(body) });
        res.writeHead(answer).end();
      });
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${server.address().port}/webhooks/ignisign`;
    const webhook = (await sdk.addWebhook({ url, description: 'Main' })).find((endpoint) => endpoint.url === url);
    assert.match(webhook._id, ID);
    const named = (topic, action, id) => messages.find((message) =>
      message.topic === topic && message.action === action && message.content.signatureRequestId === id);

    const { id, signerIds, documentIds } = await draft({
      signers: [{ email: 'hook@example.com', externalId: 'crm-9' }, { email: 'page3@example.com', signerProfileId: embedded._id }],
      settings: { externalId: 'hook-7' }, approvers: [{ email: 'chief@example.com' }],
    });
    await sdk.publishSignatureRequest(id);
    await act(`requests/${id}/sign`);
    await until(() => named('SIGNATURE_PROOF', 'GENERATED', id));
    for (const message of messages) {
      assert.strictEqual(message.headers['content-type'], 'application/json');
      assert.deepStrictEqual([message.appId, message.appEnv], [sdk.appId, sdk.appEnv]);
      assert.match(message.msgNature, /^(INFO|SUCCESS|WARNING|ERROR)$/);
      assert.ok(message.verificationToken.length > 0 && message.verificationToken.length <= 512);
    }
    assert.strictEqual(new Set(messages.map((message) => message.verificationToken)).size, messages.length);
    for (const action of ['INITIALIZED', 'UPDATED', 'LAUNCHED', 'APPROVER_STEP', 'COMPLETED']) {
      assert.ok(named('SIGNATURE_REQUEST', action, id), action);
    }
    const launched = named('SIGNATURE_REQUEST', 'LAUNCHED', id);
    assert.strictEqual(launched.content.status, 'IN_PROGRESS');
    assert.strictEqual(launched.content.signatureRequestExternalId, 'hook-7');
    assert.deepStrictEqual(launched.content.signers.signersBySide, [{ signerId: signerIds[0], signerExternalId: 'crm-9' }]);
    assert.ok(launched.content.signers.signersEmbedded[0].token);
    const signature = named('SIGNATURE', 'FINALIZED', id).content;
    assert.deepStrictEqual([signature.signerId, signature.signerExternalId, signature.documentId, signature.documentExternalId, signature.documentNature],
      [signerIds[0], 'crm-9', documentIds[0], 'ext-pdf', 'PDF']);
    assert.strictEqual((await sdk.getSignature(documentIds[0], signature.signatureId)).signerId, signerIds[0]);
    const proof = named('SIGNATURE_PROOF', 'GENERATED', id).content;
    assert.strictEqual(proof.documents[0].documentId, documentIds[0]);
    assert.match(proof.signatureProofUrl, /^https:\/\/sign\.ignisign\.io\/signature-requests\/[0-9a-f]{24}\/proofs\?t=./);

    assert.strictEqual(await sdk.consumeWebhook(launched), true);
    assert.strictEqual(await sdk.consumeWebhook(launched), false);
    const verdict = await sdk.checkWebhookToken(launched.verificationToken);
    assert.deepStrictEqual([verdict.isValid, verdict.alreadyConsumed, verdict.notFound], [false, true, false]);
    assert.strictEqual((await sdk.checkWebhookToken('guess')).notFound, true);
    assert.strictEqual(await sdk.consumeWebhook({ ...launched, appEnv: 'PRODUCTION' }), false);

    const log = await sdk.getWebhookEvents(webhook._id, 'SUCCESS');
    assert.ok(log.searchData.total >= messages.length - 1 && log.searchData.page === 1);
    const event = await sdk.getWebhookEvent(webhook._id, log.events[0]._id);
    assert.deepStrictEqual(event, log.events[0]);
    assert.deepStrictEqual([event.webhookId, event.status, event.response.status], [webhook._id, 'SUCCESS', 200]);
    const count = messages.length;
    await sdk.resendWebhookEvent(webhook._id, event._id);
    await until(() => messages.length > count);
    assert.deepStrictEqual(messages[count].content, event.content);
    assert.strictEqual(await sdk.consumeWebhook(messages[count]), true);

    answer = 503;
    await sdk.closeSignatureRequest((await oneCall()).signatureRequestId);
    await until(async () => (await sdk.getWebhookEvents(webhook._id, 'FAILED')).events.length > 0);
    answer = 200;

    await sdk.disableWebhookTopics(webhook._id, { SIGNATURE_REQUEST: true });
    const topics = (await sdk.addWebhookForTopics({ url: `${url}/2`, topics: ['SIGNATURE'] })).find((endpoint) => endpoint.url === `${url}/2`);
    const quiet = (await oneCall()).signatureRequestId;
    await act(`requests/${quiet}/sign`);
    await until(() => named('SIGNATURE_PROOF', 'GENERATED', quiet));
    assert.strictEqual(named('SIGNATURE_REQUEST', 'COMPLETED', quiet), undefined);
    assert.deepStrictEqual([...new Set((await sdk.getWebhookEvents(topics._id)).events.map((one) => one.topic))], ['SIGNATURE']);
    assert.strictEqual((await sdk.updateWebhook(topics._id, { url: `${url}/3` })).find((endpoint) => endpoint._id === topics._id).url, `${url}/3`);
    assert.strictEqual((await sdk.getWebhooks()).length, 2);
    assert.deepStrictEqual((await sdk.deleteWebhook(topics._id)).map((endpoint) => endpoint._id), [webhook._id]);
    await refused(sdk.deleteWebhook(topics._id), 'WEBHOOK_NOT_FOUND', 404);
    await sdk.deleteWebhook(webhook._id);
    server.close();
    server.closeAllConnections();
  });

  console.log(`1..${tests}`);
  process.exitCode = failed ? 1 : 0;
}

main().catch((error) => {
  console.log(`Bail out! ${error.stack}`);
  process.exitCode = 1;
});
