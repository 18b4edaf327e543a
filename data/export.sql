-- The files of the export, one view each, over the tables of model.sql.
-- Set by generate.py: mess, a list of {table_name, mess, rate per 10,000 rows}.

-- One row per table, bucket of 10,000 and copy: rows drawn into a bucket get its mess, at most one
-- each. Messes that are about two rows have two copies, so that the join doubles the row.
CREATE TABLE messes AS
WITH rates AS (SELECT unnest(getvariable('mess'), recursive := true)),
ranges AS (
  SELECT *, sum(rate) OVER (PARTITION BY table_name ORDER BY mess)::INT AS high FROM rates
)
SELECT table_name, mess, unnest(range(high - rate, high)) AS bucket, copy
FROM ranges, range(2) AS copies (copy)
WHERE copy = 0 OR mess IN ('duplicate', 'old_version');

-- How a mess spells a time or a code.
CREATE MACRO stamp(moment, mess, key) AS CASE mess
  WHEN 'bad_time' THEN pick('bad', key, ['n/a', '31.02.2026 10:00', '2026-13-45 08:30:00'])
  WHEN 'offset_time' THEN if(u('zone', key) < 0.5, strftime(moment, '%Y-%m-%dT%H:%M:%SZ'),
    strftime(moment + INTERVAL 2 HOUR, '%Y-%m-%d %H:%M:%S+02:00'))
  ELSE strftime(moment, '%Y-%m-%d %H:%M:%S') END;
CREATE MACRO spelled(code, key) AS pick('spelled', key, [upper(code), code || ' ',
  upper(replace(code, '_', '-')), upper(code[1]) || code[2:], ' ' || upper(code[1]) || code[2:]]);

-- Every second of the rows that are to share an id takes the one before it.
CREATE VIEW export_activity AS
WITH drawn AS (
  SELECT activities.*, mess FROM activities LEFT JOIN messes
    ON table_name = 'activity' AND bucket = floor(10000 * u('activity mess', activity_id))
),
shared AS (
  SELECT activity_id, lag(activity_id) OVER in_order AS shared_id
  FROM drawn WHERE mess = 'shared_id'
  WINDOW in_order AS (ORDER BY activity_id) QUALIFY row_number() OVER in_order % 2 = 0
)
SELECT coalesce(shared_id, activity_id) AS activity_id,
  CASE mess WHEN 'type_spelling' THEN spelled(type, activity_id)
    WHEN 'unlisted_type' THEN pick('unlisted', activity_id, ['webinar', 'site_visit'])
    ELSE type END AS type,
  CASE mess WHEN 'missing_user' THEN NULL WHEN 'unknown_user' THEN '9000' || owner
    WHEN 'float_id' THEN owner || '.0' ELSE owner::TEXT END AS assigned_to_user,
  CASE mess WHEN 'missing_deal' THEN NULL WHEN 'unknown_deal' THEN (deal_id // 7 * 7 + 6)::TEXT
    WHEN 'float_id' THEN deal_id || '.0' ELSE deal_id::TEXT END AS deal_id,
  CASE mess WHEN 'done_spelling' THEN pick('flag', activity_id, if(done, ['1', 'yes', 'TRUE'],
    ['0', 'no', 'FALSE'])) ELSE if(done, 'True', 'False') END AS done,
  stamp(clock(work), mess, activity_id) AS due_to
FROM drawn LEFT JOIN shared USING (activity_id) ORDER BY ALL;

CREATE VIEW export_activity_types AS
FROM (VALUES (1, 'Sales Call 1', 'Yes', 'meeting'), (2, 'Sales Call 2', 'Yes', 'sc_2'),
  (3, 'Follow Up Call', 'No', 'follow_up'), (4, 'After Close Call', 'Yes', 'after_close_call'),
  (5, 'Email', 'Yes', 'Email'), (6, 'Proposal, sent or presented', 'Yes', 'proposal')
) AS t (id, name, active, type) ORDER BY id;

CREATE VIEW export_deal_changes AS
WITH rows AS (
  SELECT deal_id, clock(work) AS moment, if(field = 'reopened', 'lost_reason', field) AS field,
    value::TEXT AS value FROM changes
  UNION ALL
  SELECT deal_id, created_at, 'add_time', strftime(created_at, '%Y-%m-%dT%H:%M:%S') FROM deals
),
drawn AS (SELECT *, concat(deal_id, field, epoch(moment)::BIGINT) AS key FROM rows)
SELECT deal_id, stamp(moment, mess, key) AS change_time,
  if(mess = 'key_spelling', spelled(field, key), field) AS changed_field_key,
  CASE WHEN mess = 'unknown_stage' AND field = 'stage_id' THEN '42'
    WHEN mess = 'unknown_owner' AND field = 'user_id' THEN '9000' || value
    WHEN mess = 'free_text_reason' AND field = 'lost_reason' AND value IS NOT NULL
      THEN pick('text', key, ['Went elsewhere, too expensive', 'Call Ms. Novak again in spring'])
    ELSE value END AS new_value
FROM drawn LEFT JOIN messes
  ON table_name = 'deal_changes' AND bucket = floor(10000 * u('change mess', key))
ORDER BY deal_id, moment, field, value, copy;

CREATE VIEW export_fields AS
WITH options AS (
  SELECT 'stage_id' AS field_key, stage_id AS option_id, stage_name AS label FROM stages
  UNION ALL SELECT 'lost_reason', reason_id, label FROM reasons
)
SELECT id AS "ID", field_key AS "FIELD_KEY", name AS "NAME", options AS "FIELD_VALUE_OPTIONS"
FROM (VALUES (3, 'user_id', 'Owner'), (10, 'stage_id', 'Stage'), (13, 'add_time', 'Deal created'),
  (23, 'lost_reason', 'Lost reason')) AS t (id, field_key, name)
LEFT JOIN (SELECT field_key, to_json(list({id: option_id::TEXT, label: label} ORDER BY option_id))
  ::TEXT AS options FROM options GROUP BY field_key) USING (field_key) ORDER BY id;

CREATE VIEW export_stages AS
SELECT stage_id, exported_name AS stage_name FROM stages ORDER BY stage_id;

-- One row per name that can be made, in an order of the seed; they return once all are used.
CREATE TABLE names AS
WITH pairs AS (
  SELECT unnest(['Amara', 'Anders', 'Anne-Marie', 'Ayşe', 'Beatriz', 'Björn', 'Carla', 'Chloé',
    'Daniela', 'Dmitri', 'Edwin', 'Elif', 'Emeka', 'Fatima', 'Freya', 'Gianluca', 'Grace', 'Hannah',
    'Hiroshi', 'Imogen', 'Ivana', 'Jonas', 'José', 'Kateřina', 'Kwame', 'Leila', 'Łukasz', 'Mai',
    'Mateus', 'Mireille', 'Nadia', 'Niamh', 'Nils', 'Olga', 'Oscar', 'Paula', 'Priya', 'Quentin',
    'Renée', 'Rosa', 'Samir', 'Siobhán', 'Søren', 'Tadeusz', 'Tessa', 'Uma', 'Viktor', 'Wei',
    'Ximena', 'Yara', 'Yusuf', 'Zoë']) AS first_name, last_name
  FROM (SELECT unnest(['Abernathy', 'Adeyemi', 'Åkesson', 'Alvarez', 'Bauer', 'Berg', 'Castillo',
    'Chaudhary', 'D''Angelo', 'de la Cruz', 'Dvořák', 'Eriksen', 'Faulkner', 'Fernandes',
    'Fischer', 'Gallagher', 'García', 'Haddad', 'Hoffmann', 'Ibrahim', 'Ivanova', 'Jansen',
    'Kaya', 'Kowalczyk', 'Lefèvre', 'Lindqvist', 'Lloyd-Hughes', 'Marchetti', 'Mbeki', 'Moreau',
    'Müller', 'Nakamura', 'Ngata', 'Novák', 'O''Brien', 'O''Sullivan', 'Okafor', 'Papadakis',
    'Pereira', 'Petrov', 'Quispe', 'Rahman', 'Rossi', 'Sato', 'Schröder', 'Silva', 'Smith-Jensen',
    'Szabó', 'Tanaka', 'Thompson', 'Ünal', 'van den Berg', 'Vega', 'Wójcik', 'Yamamoto', 'Zhang',
    'Zieliński']) AS last_name)
)
SELECT *, row_number() OVER (ORDER BY u('name', concat(first_name, last_name))) AS place FROM pairs;

-- Messes are spread evenly over the ids, so that even a small team has some of each.
SET VARIABLE spread_from = floor(10000 * u('user mess', ''))::BIGINT;
CREATE VIEW export_users AS
WITH people AS (
  SELECT user_id, first_name, last_name,
    (user_id * 6181 + getvariable('spread_from')) % 10000 AS bucket,
    concat(if(u('title', user_id) < 0.05, 'Dr. ', ''), first_name, ' ', last_name) AS name,
    concat(lower(regexp_replace(strip_accents(translate(concat(first_name, '.', last_name), 'Łø',
      'Lo')), '[^A-Za-z.]', '', 'g')), user_id, '@example.',
      if(u('domain', user_id) < 0.7, 'com', 'org')) AS email,
    clock(getvariable('cut') - 1 - floor(9000000 * u('modified', user_id))::BIGINT)
      + to_microseconds(floor(1000000 * u('micro', user_id))::BIGINT) AS modified
  FROM reps JOIN names ON place = 1 + (user_id - 1) % (SELECT count(*) FROM names)
),
neighbours AS (
  SELECT *, lag(name) OVER by_id AS previous_name, lag(email) OVER by_id AS previous_email
  FROM people WINDOW by_id AS (ORDER BY user_id)
)
SELECT user_id AS "ID",
  CASE WHEN mess = 'same_name' AND user_id > 1 THEN previous_name
    WHEN mess = 'last_name_first' THEN concat(last_name, ', ', first_name) ELSE name END AS "Name",
  CASE WHEN mess = 'shared_email' AND user_id > 1 THEN upper(previous_email)
    WHEN mess = 'old_version' AND copy = 1 THEN 'old.' || email ELSE email END AS "Email",
  strftime(modified - if(mess = 'old_version', to_days(400 * copy), to_days(0)),
    '%Y-%m-%d %H:%M:%S.%f') AS "Modified"
FROM neighbours LEFT JOIN messes ON table_name = 'users' AND messes.bucket = neighbours.bucket
ORDER BY ALL;

CREATE VIEW export_deals AS
WITH states AS (
  SELECT deal_id, arg_max(value, work) FILTER (field = 'stage_id') AS stage_id,
    arg_max(value, work) FILTER (field = 'user_id') AS owner,
    min(work) FILTER (field = 'stage_id' AND value >= 7) AS won_work,
    max(work) FILTER (field = 'lost_reason') AS lost_work,
    lost_work > max(work) FILTER (field IN ('stage_id', 'reopened')) AS is_lost
  FROM changes GROUP BY deal_id
),
known AS (
  SELECT deal_id, created_at, coalesce(owner, user_id) AS user_id, mess,
    coalesce(stage_id, 1) AS stage_id, CASE WHEN mess = 'stale_status' THEN 'open'
      WHEN is_lost THEN 'lost' WHEN won_work IS NOT NULL THEN 'won' ELSE 'open' END AS status,
    if(status = 'won', clock(won_work), NULL) AS won_at,
    if(status = 'lost', clock(lost_work), NULL) AS lost_at
  FROM deals LEFT JOIN states USING (deal_id) LEFT JOIN messes
    ON table_name = 'deals' AND bucket = floor(10000 * u('deal mess', deal_id))
)
SELECT deal_id,
  CASE mess WHEN 'status_spelling' THEN spelled(status, deal_id)
    WHEN 'unknown_status' THEN 'deleted' ELSE status END AS status,
  concat(user_id, if(mess = 'float_id', '.0', '')) AS user_id, stage_id,
  if(mess = 'missing_value', NULL, 50 * round(110 * spread('value', deal_id))::INT) AS value,
  pick('currency', deal_id, ['EUR', 'EUR', 'EUR', 'USD', 'GBP']) AS currency,
  stamp(created_at, mess, deal_id) AS add_time,
  strftime(won_at, '%Y-%m-%d %H:%M:%S') AS won_time,
  strftime(lost_at, '%Y-%m-%d %H:%M:%S') AS lost_time
FROM known WHERE mess IS DISTINCT FROM 'not_exported' ORDER BY ALL;
