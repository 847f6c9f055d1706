-- What is to be done by the clock.

CREATE EXTENSION IF NOT EXISTS pg_cron;

-- Have signed what nobody has asked for yet.
SELECT cron.schedule('sign', '0 2 * * *', $$
    UPDATE contract SET signature_id = ignisign_sign(title, pdf, signers)
    WHERE signature_id IS NULL
$$);

-- Read again what may have changed, where no webhook comes in.
SELECT cron.schedule('look', '0 6 * * *', 'SELECT ignisign_sync()');

-- Every Monday, remind who was asked a week ago and has not signed.
SELECT cron.schedule('remind', '0 9 * * 1', $$
    SELECT ignisign_resend_email(s.request, s.n)
    FROM ignisign.signer s JOIN ignisign.request r ON r.id = s.request
    WHERE r.status = 'IN_PROGRESS' AND r.sent_at < now() - interval '7 days'
      AND s.signed_at IS NULL AND NOT s.approver
$$);

-- Forget, kind by kind; docs/compliance.md says what is kept why.
SELECT cron.schedule('forget attempts', '0 3 * * *', $$SELECT ignisign_purge('attempts', '90 days')$$);
SELECT cron.schedule('forget documents', '10 3 * * *', $$SELECT ignisign_purge('documents', '30 days')$$);
SELECT cron.schedule('forget answers', '20 3 * * *', $$SELECT ignisign_purge('results', '7 days')$$);

-- And what pg_cron itself wrote down.
SELECT cron.schedule('forget runs', '30 3 * * *', $$
    DELETE FROM cron.job_run_details WHERE end_time < now() - interval '30 days'
$$);
