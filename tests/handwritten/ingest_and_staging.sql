-- CSV files -> typed, masked, collapsed staging tables.
-- Variables set by run.py: folder, ipad, opad (the HMAC key xor'ed with its two pads), as_of, timezone.

-- Less memory and fewer checkpoints.

SET write_buffer_row_group_count = 1;
SET allocator_flush_threshold = '16MB';
SET checkpoint_threshold = '10GB';

-- Reading: the key shapes first, so that the slow general pattern only sees what is unusual.

CREATE TEMP MACRO csv(name) AS TABLE
    FROM read_csv(getvariable('folder') || '/' || name || '.csv', all_varchar = true, header = true, delim = ',',
                  quote = '"', escape = '"', comment = '', skip = 0, ignore_errors = true);

CREATE TEMP MACRO is_blank(x) AS x IS NULL OR regexp_full_match(x, '\s*');

CREATE TEMP MACRO unreadable(typed, raw) AS typed IS NULL AND NOT is_blank(raw);

CREATE TEMP MACRO to_text(x) AS CASE WHEN x > '!' OR regexp_matches(x, '\S') THEN x END;

CREATE TEMP MACRO strip(x) AS trim(x, E' \t\n\r\f');

CREATE TEMP MACRO to_int(x) AS CASE
    WHEN regexp_full_match(x, '[0-9]{1,18}') THEN TRY_CAST(x AS BIGINT)
    WHEN regexp_full_match(x, '\s*[+-]?[0-9]+(\.0+)?\s*') THEN TRY_CAST(regexp_extract(x, '[+-]?[0-9]+') AS BIGINT) END;

CREATE TEMP MACRO to_double(x) AS CASE
    WHEN regexp_full_match(x, '\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*') THEN TRY_CAST(strip(x) AS DOUBLE) END;

CREATE TEMP MACRO to_bool(x) AS coalesce(TRY_CAST(x AS BOOLEAN), TRY_CAST(strip(x) AS BOOLEAN));

CREATE TEMP MACRO in_range(t) AS CASE WHEN t >= TIMESTAMP '1970-01-01' AND t < TIMESTAMP '2200-01-01' THEN t END;

CREATE TEMP MACRO with_seconds(x) AS regexp_replace(strip(x), '([T ]\d\d:\d\d)(Z|[+-]|$)', '\1:00\2');

CREATE TEMP MACRO to_utc(x) AS CASE
    WHEN regexp_full_match(x, '(19[7-9]\d|2[01]\d\d)-\d\d-\d\d[T ]([01]\d|2[0-3]):\d\d:\d\d') THEN TRY_CAST(x AS TIMESTAMP)
    WHEN regexp_full_match(x, '\s*\d{4}-\d\d-\d\d([T ]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,6})?)?( ?(Z|[+-]([01]\d|2[0-3])(:[0-5]\d)?))?)?\s*')
        THEN in_range(timezone('UTC', TRY_CAST(with_seconds(regexp_replace(x, ' (Z|[+-])', '\1')) AS TIMESTAMPTZ))) END;

-- Normalising.

CREATE TEMP MACRO to_name(x) AS nullif(trim(regexp_replace(x, '\s+', ' ', 'g')), '');

CREATE TEMP MACRO to_code(x) AS CASE
    WHEN x IN ('stage_id', 'user_id', 'add_time', 'lost_reason') OR regexp_full_match(x, '[a-z0-9]+(_[a-z0-9]+)*') THEN x
    ELSE nullif(trim(regexp_replace(lower(x), '[^a-z0-9]+', '_', 'g'), '_'), '') END;

-- Masking: HMAC-SHA256.

CREATE TEMP MACRO pseudonym(x) AS sha256(getvariable('opad') || unhex(sha256(getvariable('ipad') || encode(x))));

CREATE TEMP MACRO to_masked(x) AS regexp_replace(to_name(x), '(\S)\S*', '\1***', 'g');

CREATE TEMP MACRO mask_value(field_key, x) AS CASE
    WHEN to_code(field_key) IN ('stage_id', 'user_id') AND regexp_full_match(strip(x), '-?\d{1,18}(\.0+)?') THEN strip(x)
    WHEN to_code(field_key) = 'lost_reason' AND regexp_full_match(strip(x), '-?([1-9]\d{0,8}|0)(\.0+)?') THEN strip(x)
    WHEN to_code(field_key) = 'add_time' AND regexp_full_match(strip(x), '\d{4}-\d\d-\d\d[0-9+:. TZ-]{0,32}') THEN strip(x)
    WHEN is_blank(x) THEN NULL
    ELSE '~' || left(pseudonym(strip(x)), 16) END;

DROP SCHEMA IF EXISTS staging CASCADE;
CREATE SCHEMA staging;

-- The funnel.

CREATE TABLE staging.stg_funnel_steps AS
FROM (VALUES
    (1::BIGINT, '1', 'Lead Generation', 'stage', false),
    (2, '2', 'Qualified Lead', 'stage', false),
    (3, '2.1', 'Sales Call 1', 'activity', false),
    (4, '3', 'Needs Assessment', 'stage', false),
    (5, '3.1', 'Sales Call 2', 'activity', false),
    (6, '4', 'Proposal/Quote Preparation', 'stage', false),
    (7, '5', 'Negotiation', 'stage', false),
    (8, '6', 'Closing', 'stage', false),
    (9, '7', 'Implementation/Onboarding', 'stage', true),
    (10, '8', 'Follow-up/Customer Success', 'stage', true),
    (11, '9', 'Renewal/Expansion', 'stage', true),
    (12, 'Lost', 'Lost', 'loss', false)
) funnel(step_order, funnel_step, kpi_name, kind, is_won);

-- Lookups: one row per key, the last in the file wins.

SET preserve_insertion_order = true;

CREATE TABLE staging.stg_stages AS
WITH typed AS (
    SELECT to_int(stage_id) AS stage_id, to_name(stage_name) AS stage_name, row_number() OVER () AS line
    FROM csv('stages')
), latest AS (
    SELECT * EXCLUDE (line) FROM typed
    WHERE stage_id IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY stage_id ORDER BY line DESC) = 1
)
SELECT stage_id, stage_name, funnel_step
FROM latest
LEFT JOIN staging.stg_funnel_steps ON kind = 'stage' AND to_code(kpi_name) = to_code(stage_name);

CREATE TABLE staging.stg_activity_types AS
WITH typed AS (
    SELECT to_int(id) AS activity_type_id, to_code(type) AS activity_type, to_name(name) AS activity_type_name,
           to_bool(active) AS is_active, active, row_number() OVER () AS line
    FROM csv('activity_types')
)
SELECT activity_type_id, activity_type, activity_type_name, is_active
FROM typed
WHERE activity_type_id IS NOT NULL AND NOT unreadable(is_active, active)
QUALIFY row_number() OVER (PARTITION BY activity_type_id ORDER BY line DESC) = 1;

CREATE TABLE staging.stg_users AS
WITH typed AS (
    SELECT to_int(id) AS user_id, to_masked(name) AS name_masked,
           pseudonym(lower(strip(to_text(email)))) AS email_hash,
           to_utc(modified) AS modified_at, modified, row_number() OVER () AS line
    FROM csv('users')
)
SELECT user_id, name_masked, name_masked || ' #' || left(pseudonym('user:' || user_id), 6) AS sales_rep_name,
       email_hash, modified_at
FROM typed
WHERE user_id IS NOT NULL AND NOT unreadable(modified_at, modified)
QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY modified_at DESC NULLS LAST, line DESC) = 1;

CREATE TEMP TABLE fields AS
WITH typed AS (
    SELECT to_int(id) AS field_id, to_code(field_key) AS field_key, to_name(name) AS field_name,
           field_value_options AS options, row_number() OVER () AS line
    FROM csv('fields')
)
FROM typed
WHERE field_id IS NOT NULL AND field_key IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY field_id ORDER BY line DESC) = 1;

CREATE TABLE staging.stg_fields AS
SELECT field_id, field_key, field_name FROM fields;

CREATE TABLE staging.stg_field_options AS
WITH listed AS (
    SELECT field_id, field_key, unnest(json_extract(options, '$[*]')) AS option, generate_subscripts(json_extract(options, '$[*]'), 1) AS place
    FROM fields
    WHERE json_valid(options)
)
SELECT field_key, to_int(option ->> 'id') AS option_id, to_name(option ->> 'label') AS option_label
FROM listed
WHERE option_id IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY field_key, option_id ORDER BY field_id DESC, place DESC) = 1;

-- A filter pushed below the projection of this file and the next two would parse every value twice.

SET disabled_optimizers = 'filter_pushdown';

-- raw_deals is the optional deals.csv with its lines numbered, or an empty table (run.py chooses).

CREATE TEMP TABLE deals AS
WITH complete AS (
    SELECT NULL::VARCHAR AS deal_id, NULL::VARCHAR AS status, NULL::VARCHAR AS user_id,
           NULL::VARCHAR AS stage_id, NULL::VARCHAR AS value, NULL::VARCHAR AS currency,
           NULL::VARCHAR AS add_time, NULL::VARCHAR AS won_time, NULL::VARCHAR AS lost_time
    WHERE false
    UNION ALL BY NAME
    FROM raw_deals
), typed AS (
    SELECT to_int(deal_id) AS id, to_code(status) AS own_status, to_int(user_id) AS owner_id, to_int(stage_id) AS last_stage_id,
           to_double(value) AS amount, to_text(currency) AS money,
           to_utc(add_time) AS added_at, to_utc(won_time) AS won_at, to_utc(lost_time) AS lost_at,
           *
    FROM complete
)
SELECT id AS deal_id, CASE WHEN own_status IN ('won', 'lost', 'open') THEN own_status END AS status,
       owner_id AS user_id, last_stage_id AS stage_id, amount AS value, money AS currency, added_at, won_at, lost_at
FROM typed
WHERE id IS NOT NULL
  AND NOT unreadable(owner_id, user_id) AND NOT unreadable(last_stage_id, stage_id) AND NOT unreadable(amount, value)
  AND NOT unreadable(added_at, add_time) AND NOT unreadable(won_at, won_time) AND NOT unreadable(lost_at, lost_time)
QUALIFY row_number() OVER (PARTITION BY id ORDER BY line DESC) = 1;

DROP TABLE raw_deals;

-- Facts: equal rows collapse.

SET preserve_insertion_order = false;

CREATE TABLE staging.stg_deal_changes AS
WITH typed AS (
    SELECT to_int(deal_id) AS deal_id, to_utc(change_time) AS changed_at, to_text(changed_field_key) AS field_key,
           mask_value(changed_field_key, new_value) AS new_value
    FROM csv('deal_changes')
), collapsed AS (
    SELECT DISTINCT * FROM typed
    WHERE deal_id IS NOT NULL AND changed_at IS NOT NULL AND field_key IS NOT NULL
)
SELECT deal_id, changed_at, to_code(field_key) AS changed_field_key, new_value FROM collapsed;

CREATE TABLE staging.stg_activities AS
WITH typed AS (
    SELECT to_int(activity_id) AS id, to_text(type) AS type, to_int(assigned_to_user) AS user_id, to_int(deal_id) AS deal,
           to_bool(done) AS is_done, to_utc(due_to) AS due_at, assigned_to_user, deal_id, done, due_to
    FROM csv('activity')
), collapsed AS (
    SELECT DISTINCT id, type, user_id, deal, is_done, due_at FROM typed
    WHERE id IS NOT NULL AND NOT unreadable(user_id, assigned_to_user) AND NOT unreadable(deal, deal_id)
      AND NOT unreadable(is_done, done) AND NOT unreadable(due_at, due_to)
)
SELECT id AS activity_id, to_code(type) AS activity_type, user_id, deal AS deal_id, coalesce(is_done, false) AS is_done, due_at
FROM collapsed;

-- The life of a deal, from its changes. Rows of one instant follow each other in the order of their value, so that the
-- greatest is the last, and the others span no time.

CREATE TEMP TABLE owner_spans AS
FROM (
    SELECT deal_id, user_id, changed_at AS from_at, lead(changed_at, 1, 'infinity') OVER (PARTITION BY deal_id ORDER BY changed_at, user_id NULLS LAST) AS to_at
    FROM (
        SELECT deal_id, changed_at, to_int(new_value) AS user_id, new_value FROM staging.stg_deal_changes
        WHERE changed_field_key = 'user_id'
    )
    WHERE user_id IS NOT NULL OR new_value IS NULL
)
WHERE user_id IS NOT NULL;

CREATE TEMP TABLE stage_spans AS
SELECT deal_id, stage_id, changed_at AS from_at, lead(changed_at, 1, 'infinity') OVER life AS to_at,
       row_number() OVER life AS transition_number, lag(stage_id) OVER life AS previous_stage_id, lead(stage_id) OVER life AS following
FROM (SELECT deal_id, changed_at, to_int(new_value) AS stage_id FROM staging.stg_deal_changes WHERE changed_field_key = 'stage_id')
WHERE stage_id IS NOT NULL
WINDOW life AS (PARTITION BY deal_id ORDER BY changed_at, stage_id);

CREATE TEMP TABLE losses AS
SELECT deal_id, changed_at AS lost_at, to_int(new_value) AS lost_reason_id
FROM staging.stg_deal_changes
WHERE changed_field_key = 'lost_reason' AND new_value IS NOT NULL;

RESET disabled_optimizers;

CREATE TABLE staging.stg_deals AS
WITH logged AS (
    SELECT deal_id, min(changed_at) FILTER (changed_field_key = 'add_time') AS created_at
    FROM staging.stg_deal_changes GROUP BY deal_id
), last_loss AS (
    FROM losses
    QUALIFY row_number() OVER (PARTITION BY deal_id ORDER BY lost_at DESC, lost_reason_id DESC NULLS LAST) = 1
), first_win AS (
    SELECT deal_id, min(from_at) AS won_at
    FROM stage_spans
    WHERE stage_id IN (SELECT stage_id FROM staging.stg_stages JOIN staging.stg_funnel_steps USING (funnel_step) WHERE is_won)
    GROUP BY deal_id
), judged AS (
    SELECT deal_id, coalesce(deals.added_at, logged.created_at) AS created_at,
           coalesce(deals.user_id, owner.user_id) AS user_id, coalesce(deals.stage_id, stage.stage_id) AS stage_id,
           CASE WHEN deals.status IS NOT NULL THEN deals.status
                WHEN last_loss.lost_at > coalesce(stage.from_at, '-infinity') THEN 'lost'
                WHEN first_win.won_at IS NOT NULL THEN 'won'
                ELSE 'open' END AS status,
           coalesce(deals.lost_at, last_loss.lost_at) AS lost_at, coalesce(deals.won_at, first_win.won_at) AS won_at,
           last_loss.lost_at AS last_logged_at, last_loss.lost_reason_id, deals.value, deals.currency
    FROM logged
    FULL JOIN deals USING (deal_id)
    LEFT JOIN last_loss USING (deal_id)
    LEFT JOIN first_win USING (deal_id)
    LEFT JOIN (FROM owner_spans WHERE to_at = 'infinity') AS owner USING (deal_id)
    LEFT JOIN (FROM stage_spans WHERE to_at = 'infinity') AS stage USING (deal_id)
)
SELECT deal_id, created_at, user_id, stage_id, status,
       CASE status WHEN 'lost' THEN lost_at WHEN 'won' THEN won_at END AS closed_at,
       CASE WHEN status = 'lost' AND NOT EXISTS (
           SELECT 1 FROM stage_spans
           WHERE stage_spans.deal_id = judged.deal_id AND from_at >= last_logged_at AND from_at <= lost_at
       ) THEN lost_reason_id END AS lost_reason_id, value, currency
FROM judged;

DROP TABLE fields;

SET VARIABLE as_of = coalesce(
    getvariable('as_of')::TIMESTAMP,
    (SELECT greatest((SELECT max(changed_at) FROM staging.stg_deal_changes), (SELECT max(due_at) FROM staging.stg_activities WHERE is_done),
             (SELECT greatest(max(created_at), max(closed_at)) FROM staging.stg_deals))));
