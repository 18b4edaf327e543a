-- What the deals table says counts from as_of on, or from the last change of the deal. Needs the temporary table deals and the variable as_of.

DROP SCHEMA IF EXISTS snapshots CASCADE;
CREATE SCHEMA snapshots;

CREATE TABLE snapshots.deal_observations AS
SELECT deal_id, greatest(getvariable('as_of')::TIMESTAMP, last_changed_at) AS observed_at, status, user_id, false AS owner_is_forgotten,
       stage_id, value, CASE WHEN regexp_matches(currency, '^[A-Z]{3}$') THEN currency END AS currency
FROM deals
LEFT JOIN (SELECT deal_id, max(changed_at) AS last_changed_at FROM staging.stg_deal_changes GROUP BY deal_id) USING (deal_id);

DROP TABLE deals;

-- Of what happens at the same time, `place` says what comes first. Owner -1 is nobody.

CREATE TABLE snapshots.deals AS
WITH events AS (
    SELECT deal_id, created_at AS since, 0 AS place FROM staging.stg_deals WHERE created_at IS NOT NULL
    UNION ALL BY NAME
    SELECT deal_id, min(changed_at) AS since, 0 AS place
    FROM staging.stg_deal_changes SEMI JOIN (FROM staging.stg_deals WHERE created_at IS NULL) USING (deal_id) GROUP BY deal_id
    UNION ALL BY NAME
    SELECT deal_id, lost_at AS since, 0 AS place, 'lost' AS verdict FROM intermediate.int_deal_losses
    UNION ALL BY NAME
    SELECT deal_id, changed_at AS since, 1 AS place, to_int(new_value) AS stage_id, stage_id AS id, 'entered' AS verdict,
           is_won AS won
    FROM staging.stg_deal_changes
    LEFT JOIN staging.stg_stages ON stg_stages.stage_id = to_int(new_value)
    LEFT JOIN staging.stg_funnel_steps USING (funnel_step)
    WHERE changed_field_key = 'stage_id' AND to_int(new_value) IS NOT NULL
    UNION ALL BY NAME
    SELECT deal_id, changed_at AS since, 1 AS place, coalesce(to_int(new_value), -1) AS owner,
           coalesce(to_int(new_value), 9223372036854775807) AS id
    FROM staging.stg_deal_changes
    WHERE changed_field_key = 'user_id' AND (new_value IS NULL OR to_int(new_value) IS NOT NULL)
    UNION ALL BY NAME
    SELECT deal_id, closed_at AS since, 2 AS place, status AS verdict, status = 'won' AS won FROM staging.stg_deals WHERE closed_at IS NOT NULL
    UNION ALL BY NAME
    SELECT deal_id, observed_at AS since, 3 AS place, status AS verdict, user_id AS owner, stage_id, {value: value, currency: currency} AS amount
    FROM snapshots.deal_observations
), states AS (
    SELECT deal_id, since,
           CASE last_value(verdict IGNORE NULLS) OVER deal
               WHEN 'lost' THEN 'lost' WHEN 'won' THEN 'won'
               WHEN 'entered' THEN CASE WHEN bool_or(won) OVER deal THEN 'won' ELSE 'open' END
               ELSE 'open' END AS status,
           nullif(last_value(owner IGNORE NULLS) OVER deal, -1) AS user_id,
           last_value(stage_id IGNORE NULLS) OVER deal AS stage_id,
           last_value(amount IGNORE NULLS) OVER deal AS amount
    FROM events
    WINDOW deal AS (PARTITION BY deal_id ORDER BY since, place, id NULLS FIRST ROWS UNBOUNDED PRECEDING)
    QUALIFY since IS DISTINCT FROM lead(since) OVER (PARTITION BY deal_id ORDER BY since, place, id NULLS FIRST)
), hashed AS (
    SELECT deal_id, since, status, user_id, stage_id, amount.value AS value, amount.currency AS currency,
           md5(concat(status, '|', user_id, '|', stage_id, '|', regexp_replace(amount.value::VARCHAR, '\.0$', ''), '|', amount.currency)) AS row_hash
    FROM states
), changed AS (
    FROM hashed
    QUALIFY row_hash IS DISTINCT FROM lag(row_hash) OVER (PARTITION BY deal_id ORDER BY since)
)
SELECT deal_id, status, user_id, stage_id, value, currency, row_hash, since AS valid_from,
       lead(since) OVER (PARTITION BY deal_id ORDER BY since) AS valid_to, valid_to IS NULL AS is_current
FROM changed;

CREATE TABLE snapshots.deal_funnel_entries AS
SELECT DISTINCT deal_id, funnel_step, entered_at, now()::TIMESTAMP AS known_from, NULL::TIMESTAMP AS known_to
FROM intermediate.int_deal_funnel_entries;
