-- Raw text tables (staging.raw_…, copied by run_postgres.py) -> typed, masked, collapsed staging tables.
-- Session settings: handwritten.ipad, handwritten.opad (the HMAC key xor'ed with its two pads, in hex),
-- handwritten.as_of (or empty), handwritten.timezone.
-- Statements end with a semicolon and an empty line. OFFSET '0' keeps a parsed value from being parsed twice (and,
-- unlike OFFSET 0, the query around it from running in one process only).
-- Scratch tables are unlogged and not temporary: parallel workers cannot read temporary ones.

-- Reading: the usual shapes first, with patterns of few states; no cast can fail. All of these are inlined.

CREATE FUNCTION pg_temp.is_blank(x text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT x IS NULL OR x ~ '^[ \t\n\f\r]*$' $$;

CREATE FUNCTION pg_temp.to_text(x text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN x COLLATE "C" > '!' OR x ~ '[^ \t\n\f\r]' THEN x END $$;

CREATE FUNCTION pg_temp.strip(x text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT btrim(x, E' \t\n\f\r') $$;

CREATE FUNCTION pg_temp.in_bigint(n numeric) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN n BETWEEN -9223372036854775808 AND 9223372036854775807 THEN n::bigint END $$;

CREATE FUNCTION pg_temp.to_int(x text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE
    WHEN x ~ '^[0-9]+$' AND octet_length(x) <= 18 THEN x::bigint
    WHEN x ~ '^[ \t\n\f\r]*[+-]?0*[0-9]{1,19}(?:\.0+)?[ \t\n\f\r]*$'
        THEN pg_temp.in_bigint(substring(x FROM '[+-]?[0-9]+')::numeric) END $$;

CREATE FUNCTION pg_temp.in_double(n numeric) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN abs(n) > 1.7976931348623157e308 THEN sign(n) * 'infinity'::double precision
               WHEN abs(n) < 5e-324 THEN 0 ELSE n::double precision END $$;

CREATE FUNCTION pg_temp.to_double(x text) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE
    WHEN x ~ '^[0-9]+$' AND octet_length(x) <= 18 THEN x::double precision
    WHEN x ~ '^[ \t\n\f\r]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?[ \t\n\f\r]*$' AND octet_length(x) < 1000
        THEN pg_temp.in_double(pg_temp.strip(x)::numeric) END $$;

CREATE FUNCTION pg_temp.to_bool(x text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE
    WHEN x IN ('True', 'Yes') THEN true
    WHEN x IN ('False', 'No') THEN false
    WHEN x ~* '^[ \t\n\f\r]*(?:true|t|yes|y|1)[ \t\n\f\r]*$' THEN true
    WHEN x ~* '^[ \t\n\f\r]*(?:false|f|no|n|0)[ \t\n\f\r]*$' THEN false END $$;

CREATE FUNCTION pg_temp.in_range(t timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN t >= timestamp '1970-01-01' AND t < timestamp '2200-01-01' THEN t END $$;

-- Days that exist, times, the offset; the year before and the one after, as an offset can bring them into the range.

CREATE FUNCTION pg_temp.to_utc(x text) RETURNS timestamp LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT CASE
    WHEN x LIKE '____-__-__ __:__:__' AND x ~ '^[0-9][0-9][0-9]+(?:[ :-][0-9]+)+$'
        AND left(x, 4) BETWEEN '1970' AND '2199' AND substr(x, 6, 2) BETWEEN '01' AND '12' AND substr(x, 9, 2) BETWEEN '01' AND '28'
        AND substr(x, 12, 2) <= '23' AND substr(x, 15, 1) <= '5' AND substr(x, 18, 1) <= '5' THEN x::timestamp
    WHEN x ~ ('^[ \t\n\f\r]*(?:'
        '(?:1969|19[7-9][0-9]|2[01][0-9]{2}|2200)-'
        '(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)'
        '|(?:19(?:7[26]|8[048]|9[26])|20(?:[02468][048]|[13579][26])|21(?:0[48]|[2468][048]|[13579][26]))-02-29)'
        '(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?'
        '(?: ?(?:Z|[+-](?:[01][0-9]|2[0-3])(?::[0-5][0-9])?))?)?[ \t\n\f\r]*$')
        THEN pg_temp.in_range(
            substring(x FROM '[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+)?')::timestamp
            - coalesce(left(substring(x FROM ':[0-9.]+ ?([+-][0-9:]+)') || ':00', 6), '00:00')::interval) END $$;

-- Most times need no parsing: their day, minute and second are looked up.

CREATE UNLOGGED TABLE staging.days AS
SELECT to_char(day, 'YYYY-MM-DD') AS day_text, day::date AS day
FROM generate_series(timestamp '1970-01-01', '2199-12-31', '1 day') day;

CREATE UNLOGGED TABLE staging.minutes AS
SELECT separator || to_char(minute, 'HH24:MI') AS minute_text, minute::time AS minute
FROM generate_series(timestamp '1970-01-01', '1970-01-01 23:59', '1 minute') minute, (VALUES (' '), ('T')) separators(separator);

CREATE UNLOGGED TABLE staging.seconds AS
SELECT to_char(second, ':SS') AS second_text, second - timestamp '1970-01-01' AS second
FROM generate_series(timestamp '1970-01-01', '1970-01-01 00:00:59', '1 second') second;

ANALYZE staging.days, staging.minutes, staging.seconds, staging.raw_deal_changes, staging.raw_activity, staging.raw_deals;

-- Normalising.

CREATE FUNCTION pg_temp.to_name(x text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT nullif(btrim(regexp_replace(x, '[ \t\n\f\r]+', ' ', 'g')), '') $$;

CREATE FUNCTION pg_temp.to_code(x text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE
    WHEN x IN ('stage_id', 'user_id', 'add_time', 'lost_reason') OR x ~ '^[a-z0-9]+(?:_[a-z0-9]+)*$' THEN x
    ELSE nullif(btrim(regexp_replace(lower(x), '[^a-z0-9]+', '_', 'g'), '_'), '') END $$;

-- Masking: HMAC-SHA256.

CREATE FUNCTION pg_temp.pseudonym(x text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT encode(sha256(decode(current_setting('handwritten.opad'), 'hex')
    || sha256(decode(current_setting('handwritten.ipad'), 'hex') || convert_to(x, 'UTF8'))), 'hex') $$;

CREATE FUNCTION pg_temp.to_masked(x text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT regexp_replace(pg_temp.to_name(x), '([^ \t\n\f\r])[^ \t\n\f\r]*', '\1***', 'g') $$;

CREATE FUNCTION pg_temp.mask_value(code text, x text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT CASE
    WHEN code IN ('stage_id', 'user_id') AND x ~ '^[0-9]+$' AND octet_length(x) <= 18 THEN x
    WHEN code IN ('stage_id', 'user_id') AND x ~ '^[ \t\n\f\r]*-?[0-9]{1,18}(?:\.0+)?[ \t\n\f\r]*$' THEN pg_temp.strip(x)
    WHEN code = 'lost_reason' AND x ~ '^[ \t\n\f\r]*-?(?:[1-9][0-9]{0,8}|0)(?:\.0+)?[ \t\n\f\r]*$' THEN pg_temp.strip(x)
    WHEN code = 'add_time' AND pg_temp.strip(x) ~ '^[0-9+:. TZ-]+$' AND octet_length(pg_temp.strip(x)) <= 42
        AND pg_temp.strip(x) ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}' THEN pg_temp.strip(x)
    WHEN pg_temp.is_blank(x) THEN NULL
    ELSE '~' || left(pg_temp.pseudonym(pg_temp.strip(x)), 16) END $$;

-- What masking left of an id of a change.

CREATE FUNCTION pg_temp.masked_id(x text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN x NOT LIKE '~%' THEN split_part(x, '.', 1)::bigint END $$;

-- The funnel.

CREATE TABLE staging.stg_funnel_steps AS
SELECT * FROM (VALUES
    (1::bigint, '1', 'Lead Generation', 'stage', false),
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

-- Lookups: one row per key, the last in the file wins. Rows of a fresh COPY lie in the order of the file.

CREATE TABLE staging.stg_stages AS
WITH typed AS (
    SELECT pg_temp.to_int(stage_id) AS stage_id, pg_temp.to_name(stage_name) AS stage_name, ctid AS line
    FROM staging.raw_stages
), latest AS (
    SELECT DISTINCT ON (stage_id) stage_id, stage_name FROM typed
    WHERE stage_id IS NOT NULL
    ORDER BY stage_id, line DESC
)
SELECT stage_id, stage_name, funnel_step
FROM latest
LEFT JOIN staging.stg_funnel_steps ON kind = 'stage' AND pg_temp.to_code(kpi_name) = pg_temp.to_code(stage_name);

CREATE TABLE staging.stg_activity_types AS
WITH typed AS (
    SELECT pg_temp.to_int(id) AS activity_type_id, pg_temp.to_code(type) AS activity_type, pg_temp.to_name(name) AS activity_type_name,
           pg_temp.to_bool(active) AS is_active, active, ctid AS line
    FROM staging.raw_activity_types
)
SELECT DISTINCT ON (activity_type_id) activity_type_id, activity_type, activity_type_name, is_active
FROM typed
WHERE activity_type_id IS NOT NULL AND (is_active IS NOT NULL OR pg_temp.is_blank(active))
ORDER BY activity_type_id, line DESC;

CREATE TABLE staging.stg_users AS
WITH typed AS (
    SELECT pg_temp.to_int(id) AS user_id, pg_temp.to_masked(name) AS name_masked,
           pg_temp.pseudonym(lower(pg_temp.strip(pg_temp.to_text(email)))) AS email_hash,
           pg_temp.to_utc(modified) AS modified_at, modified, ctid AS line
    FROM staging.raw_users
    OFFSET '0'
)
SELECT DISTINCT ON (user_id)
       user_id, name_masked, name_masked || ' #' || left(pg_temp.pseudonym('user:' || user_id), 6) AS sales_rep_name,
       email_hash, modified_at
FROM typed
WHERE user_id IS NOT NULL AND (modified_at IS NOT NULL OR pg_temp.is_blank(modified))
ORDER BY user_id, modified_at DESC NULLS LAST, line DESC;

CREATE UNLOGGED TABLE staging.fields AS
WITH typed AS (
    SELECT pg_temp.to_int(id) AS field_id, pg_temp.to_code(field_key) AS field_key, pg_temp.to_name(name) AS field_name,
           field_value_options AS options, ctid AS line
    FROM staging.raw_fields
)
SELECT DISTINCT ON (field_id) field_id, field_key, field_name, options, line
FROM typed
WHERE field_id IS NOT NULL AND field_key IS NOT NULL
ORDER BY field_id, line DESC;

CREATE TABLE staging.stg_fields AS
SELECT field_id, field_key, field_name FROM staging.fields;

-- No pattern tells valid JSON.

CREATE FUNCTION pg_temp.listed(options text) RETURNS TABLE (id text, label text, place bigint) LANGUAGE plpgsql AS
$$ BEGIN
    RETURN QUERY
    SELECT option ->> 'id', option ->> 'label', ordinality
    FROM json_array_elements(CASE WHEN json_typeof(options::json) = 'array' THEN options::json END) WITH ORDINALITY listed(option);
EXCEPTION WHEN data_exception OR feature_not_supported THEN RETURN;
END $$;

CREATE TABLE staging.stg_field_options AS
WITH typed AS (
    SELECT field_key, pg_temp.to_int(option.id) AS option_id, pg_temp.to_name(option.label) AS option_label, line, place
    FROM staging.fields CROSS JOIN pg_temp.listed(options) option
)
SELECT DISTINCT ON (field_key, option_id) field_key, option_id, option_label
FROM typed
WHERE option_id IS NOT NULL
ORDER BY field_key, option_id, line DESC, place DESC;

CREATE UNLOGGED TABLE staging.deals AS
WITH typed AS (
    SELECT pg_temp.to_int(deal_id) AS id, pg_temp.to_code(status) AS own_status, pg_temp.to_int(user_id) AS owner_id,
           pg_temp.to_int(stage_id) AS last_stage_id, pg_temp.to_double(value) AS amount, pg_temp.to_text(currency) AS money,
           pg_temp.to_utc(add_time) AS added_at, pg_temp.to_utc(won_time) AS won_at, pg_temp.to_utc(lost_time) AS lost_at,
           user_id, stage_id, value, add_time, won_time, lost_time, ctid AS line
    FROM staging.raw_deals
    OFFSET '0'
)
SELECT DISTINCT ON (id)
       id AS deal_id, CASE WHEN own_status IN ('won', 'lost', 'open') THEN own_status END AS status,
       owner_id AS user_id, last_stage_id AS stage_id, amount AS value, money AS currency, added_at, won_at, lost_at
FROM typed
WHERE id IS NOT NULL
  AND (owner_id IS NOT NULL OR pg_temp.is_blank(user_id)) AND (last_stage_id IS NOT NULL OR pg_temp.is_blank(stage_id))
  AND (amount IS NOT NULL OR pg_temp.is_blank(value)) AND (added_at IS NOT NULL OR pg_temp.is_blank(add_time))
  AND (won_at IS NOT NULL OR pg_temp.is_blank(won_time)) AND (lost_at IS NOT NULL OR pg_temp.is_blank(lost_time))
ORDER BY id, line DESC;

ANALYZE staging.stg_funnel_steps, staging.stg_stages, staging.stg_users, staging.stg_field_options, staging.deals;

-- Facts: equal rows collapse. What is not spelled as its code differs from what is. The files are nearly in order, so
-- sorting beats hashing, its work is shared, and all that reads a deal's rows later finds them side by side.

SET enable_hashagg = off;

CREATE TABLE staging.stg_deal_changes AS
WITH typed AS (
    SELECT pg_temp.to_int(deal_id) AS deal_id, coalesce(day + minute + second, pg_temp.to_utc(change_time)) AS changed_at,
           pg_temp.to_text(changed_field_key) AS field_key, pg_temp.to_code(changed_field_key) AS code, new_value
    FROM staging.raw_deal_changes
    LEFT JOIN staging.days ON day_text = left(change_time, 10)
    LEFT JOIN staging.minutes ON minute_text = substr(change_time, 11, 6)
    LEFT JOIN staging.seconds ON second_text = substr(change_time, 17)
    OFFSET '0'
), collapsed AS (
    SELECT DISTINCT deal_id, changed_at, code, nullif(field_key, code) AS spelling, pg_temp.mask_value(code, new_value) AS new_value
    FROM typed
    WHERE deal_id IS NOT NULL AND changed_at IS NOT NULL AND field_key IS NOT NULL
)
SELECT deal_id, changed_at, code AS changed_field_key, new_value FROM collapsed;

CREATE TABLE staging.stg_activities AS
WITH typed AS (
    SELECT pg_temp.to_int(activity_id) AS id, pg_temp.to_text(type) AS type, pg_temp.to_code(type) AS code,
           pg_temp.to_int(assigned_to_user) AS user_id, pg_temp.to_int(deal_id) AS deal, pg_temp.to_bool(done) AS is_done,
           coalesce(day + minute + second, pg_temp.to_utc(due_to)) AS due_at, assigned_to_user, deal_id, done, due_to
    FROM staging.raw_activity
    LEFT JOIN staging.days ON day_text = left(due_to, 10)
    LEFT JOIN staging.minutes ON minute_text = substr(due_to, 11, 6)
    LEFT JOIN staging.seconds ON second_text = substr(due_to, 17)
    OFFSET '0'
), collapsed AS (
    SELECT DISTINCT id, code, nullif(type, code) AS spelling, user_id, deal, is_done, due_at
    FROM typed
    WHERE id IS NOT NULL AND (user_id IS NOT NULL OR pg_temp.is_blank(assigned_to_user))
      AND (deal IS NOT NULL OR pg_temp.is_blank(deal_id)) AND (is_done IS NOT NULL OR pg_temp.is_blank(done))
      AND (due_at IS NOT NULL OR pg_temp.is_blank(due_to))
)
SELECT id AS activity_id, code AS activity_type, user_id, deal AS deal_id, coalesce(is_done, false) AS is_done, due_at
FROM collapsed;

RESET enable_hashagg;

DROP TABLE staging.days, staging.minutes, staging.seconds, staging.fields,
    staging.raw_activity, staging.raw_activity_types, staging.raw_deal_changes, staging.raw_deals, staging.raw_fields,
    staging.raw_stages, staging.raw_users;

ANALYZE staging.stg_deal_changes, staging.stg_activities;

-- The life of a deal, from its changes. Rows of one instant follow each other in the order of their value, so that the
-- greatest is the last, and the others span no time.

CREATE UNLOGGED TABLE staging.owner_spans AS
SELECT * FROM (
    SELECT deal_id, user_id, changed_at AS from_at, lead(changed_at, 1, 'infinity') OVER (PARTITION BY deal_id ORDER BY changed_at, user_id) AS to_at
    FROM (
        SELECT deal_id, changed_at, pg_temp.masked_id(new_value) AS user_id, new_value FROM staging.stg_deal_changes
        WHERE changed_field_key = 'user_id' OFFSET '0'
    ) owners
    WHERE user_id IS NOT NULL OR new_value IS NULL
) spans
WHERE user_id IS NOT NULL;

CREATE UNLOGGED TABLE staging.stage_spans AS
SELECT deal_id, stage_id, changed_at AS from_at, lead(changed_at, 1, 'infinity') OVER life AS to_at,
       row_number() OVER life AS transition_number, lag(stage_id) OVER life AS previous_stage_id, lead(stage_id) OVER life AS following
FROM (SELECT deal_id, changed_at, pg_temp.masked_id(new_value) AS stage_id FROM staging.stg_deal_changes WHERE changed_field_key = 'stage_id' OFFSET '0') stages
WHERE stage_id IS NOT NULL
WINDOW life AS (PARTITION BY deal_id ORDER BY changed_at, stage_id);

CREATE UNLOGGED TABLE staging.losses AS
SELECT deal_id, changed_at AS lost_at, pg_temp.masked_id(new_value) AS lost_reason_id
FROM staging.stg_deal_changes
WHERE changed_field_key = 'lost_reason' AND new_value IS NOT NULL;

ANALYZE staging.owner_spans, staging.stage_spans, staging.losses;

CREATE TABLE staging.stg_deals AS
WITH logged AS (
    SELECT deal_id, min(changed_at) FILTER (WHERE changed_field_key = 'add_time') AS created_at
    FROM staging.stg_deal_changes GROUP BY deal_id
), last_loss AS (
    SELECT DISTINCT ON (deal_id) deal_id, lost_at, lost_reason_id FROM staging.losses
    ORDER BY deal_id, lost_at DESC, lost_reason_id DESC NULLS LAST
), first_win AS (
    SELECT deal_id, min(from_at) AS won_at
    FROM staging.stage_spans
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
    FULL JOIN staging.deals USING (deal_id)
    LEFT JOIN last_loss USING (deal_id)
    LEFT JOIN first_win USING (deal_id)
    LEFT JOIN (SELECT * FROM staging.owner_spans WHERE to_at = 'infinity') AS owner USING (deal_id)
    LEFT JOIN (SELECT * FROM staging.stage_spans WHERE to_at = 'infinity') AS stage USING (deal_id)
)
SELECT deal_id, created_at, user_id, stage_id, status,
       CASE status WHEN 'lost' THEN lost_at WHEN 'won' THEN won_at END AS closed_at,
       CASE WHEN status = 'lost' AND NOT EXISTS (
           SELECT 1 FROM staging.stage_spans
           WHERE stage_spans.deal_id = judged.deal_id AND from_at >= last_logged_at AND from_at <= lost_at
       ) THEN lost_reason_id END AS lost_reason_id, value, currency
FROM judged;

ANALYZE staging.stg_deals;

SELECT set_config('handwritten.as_of', coalesce(
    nullif(current_setting('handwritten.as_of'), ''),
    greatest((SELECT max(changed_at) FROM staging.stg_deal_changes), (SELECT max(due_at) FROM staging.stg_activities WHERE is_done),
             (SELECT greatest(max(created_at), max(closed_at)) FROM staging.stg_deals))::text,
    ''), false);
