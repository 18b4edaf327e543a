-- What the deals table says counts from as_of on, or from the last change of the deal. Needs the table deals and the setting as_of of ingest_and_staging.sql.

CREATE SCHEMA snapshots;

CREATE TABLE snapshots.deal_observations AS
SELECT deal_id, greatest(current_setting('handwritten.as_of')::timestamp, last_changed_at) AS observed_at, status, user_id,
       false AS owner_is_forgotten, stage_id, value, CASE WHEN currency ~ '^[A-Z]{3}$' THEN currency END AS currency
FROM staging.deals
LEFT JOIN (SELECT deal_id, max(changed_at) AS last_changed_at FROM staging.stg_deal_changes GROUP BY deal_id) changes USING (deal_id);

DROP TABLE staging.deals;

-- Of what happens at the same time, `place` says what comes first. Owner -1 is nobody.

CREATE UNLOGGED TABLE staging.events AS
SELECT deal_id, created_at AS at, 0 AS place, NULL::bigint AS id, NULL::text AS verdict, NULL::bigint AS owner, NULL::bigint AS stage_id,
       NULL::boolean AS won, NULL::double precision AS value, NULL::text AS currency
FROM staging.stg_deals WHERE created_at IS NOT NULL
UNION ALL
SELECT deal_id, min(changed_at), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM staging.stg_deals JOIN staging.stg_deal_changes USING (deal_id) WHERE created_at IS NULL GROUP BY deal_id
UNION ALL
SELECT deal_id, lost_at, 0, NULL, 'lost', NULL, NULL, NULL, NULL, NULL FROM intermediate.int_deal_losses
UNION ALL
SELECT deal_id, changed_at, 1, stage_id, 'entered', NULL, stage_id, is_won, NULL, NULL
FROM (
    SELECT deal_id, changed_at, pg_temp.masked_id(new_value) AS stage_id FROM staging.stg_deal_changes
    WHERE changed_field_key = 'stage_id' OFFSET '0'
) changes
LEFT JOIN staging.stg_stages USING (stage_id)
LEFT JOIN staging.stg_funnel_steps USING (funnel_step)
WHERE stage_id IS NOT NULL
UNION ALL
SELECT deal_id, changed_at, 1, coalesce(user_id, 9223372036854775807), NULL, coalesce(user_id, -1), NULL, NULL, NULL, NULL
FROM (
    SELECT deal_id, changed_at, pg_temp.masked_id(new_value) AS user_id, new_value FROM staging.stg_deal_changes
    WHERE changed_field_key = 'user_id' OFFSET '0'
) changes
WHERE user_id IS NOT NULL OR new_value IS NULL
UNION ALL
SELECT deal_id, closed_at, 2, NULL, status, NULL, NULL, status = 'won', NULL, NULL FROM staging.stg_deals WHERE closed_at IS NOT NULL
UNION ALL
SELECT deal_id, observed_at, 3, NULL, status, user_id, stage_id, NULL, value, currency FROM snapshots.deal_observations;

ANALYZE staging.events;

CREATE TABLE snapshots.deals AS
WITH numbered AS (
    SELECT *, row_number() OVER deal AS n, lead(at) OVER deal AS next_at
    FROM staging.events WINDOW deal AS (PARTITION BY deal_id ORDER BY at, place, id NULLS FIRST)
), told AS (
    SELECT *, n - max(n) FILTER (WHERE verdict IS NOT NULL) OVER deal AS verdict_ago,
           n - max(n) FILTER (WHERE owner IS NOT NULL) OVER deal AS owner_ago,
           n - max(n) FILTER (WHERE stage_id IS NOT NULL) OVER deal AS stage_ago,
           n - max(n) FILTER (WHERE place = 3) OVER deal AS seen_ago,
           bool_or(won) OVER deal AS was_won
    FROM numbered WINDOW deal AS (PARTITION BY deal_id ORDER BY at, place, id NULLS FIRST ROWS UNBOUNDED PRECEDING)
), states AS (
    SELECT deal_id, at, next_at, was_won, lag(verdict, verdict_ago::int) OVER deal AS verdict,
           nullif(lag(owner, owner_ago::int) OVER deal, -1) AS user_id, lag(stage_id, stage_ago::int) OVER deal AS stage_id,
           lag(value, seen_ago::int) OVER deal AS value, lag(currency, seen_ago::int) OVER deal AS currency
    FROM told WINDOW deal AS (PARTITION BY deal_id ORDER BY at, place, id NULLS FIRST)
), hashed AS (
    SELECT deal_id, at, status, user_id, stage_id, value, currency,
           md5(concat(status, '|', user_id, '|', stage_id, '|', regexp_replace(value::text, '\.0$', ''), '|', currency)) AS row_hash
    FROM states,
         LATERAL (SELECT CASE WHEN verdict IN ('lost', 'won') THEN verdict WHEN verdict = 'entered' AND was_won THEN 'won' ELSE 'open' END AS status) judged
    WHERE at IS DISTINCT FROM next_at
), compared AS (
    SELECT *, lag(row_hash) OVER (PARTITION BY deal_id ORDER BY at) AS hash_before FROM hashed
)
SELECT deal_id, status, user_id, stage_id, value, currency, row_hash, at AS valid_from, valid_to, valid_to IS NULL AS is_current
FROM (
    SELECT *, lead(at) OVER (PARTITION BY deal_id ORDER BY at) AS valid_to
    FROM compared WHERE row_hash IS DISTINCT FROM hash_before
) spans;

DROP TABLE staging.events;

CREATE TABLE snapshots.deal_funnel_entries AS
SELECT DISTINCT deal_id, funnel_step, entered_at, now()::timestamp AS known_from, NULL::timestamp AS known_to
FROM intermediate.int_deal_funnel_entries;
