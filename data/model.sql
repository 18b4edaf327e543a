-- A sales team and what happens to its deals, before the files of export.sql show it.
-- Set by generate.py: seed, deals, export_day. Nothing depends on the clock or on threads.

-- Draws: uniform in [0, 1), from nothing but seed, salt and key (MD5 is the same in every version).
CREATE MACRO u(salt, key) AS
  (md5_number(concat(getvariable('seed'), salt, key)) >> 75)::UBIGINT / 9007199254740992.0;
CREATE MACRO pick(salt, key, choices) AS choices[1 + floor(u(salt, key) * len(choices))::INT];
-- About log-normal: median 1, between 0.12 and 8.5.
CREATE MACRO spread(salt, key) AS
  pow((0.02 + 0.96 * u(salt, key)) / (0.98 - 0.96 * u(salt, key)), 0.55);

-- Time runs in working seconds, whole numbers: weeks of five days of ten hours, 08:00 to 18:00.
SET VARIABLE first_day = getvariable('export_day') - INTERVAL 24 MONTH;
SET VARIABLE monday = date_trunc('week', getvariable('first_day'));
CREATE MACRO work_time(day, second) AS
  date_diff('day', getvariable('monday')::DATE, day::DATE) // 7 * 180000
  + CASE WHEN isodow(day) > 5 THEN 180000 ELSE (isodow(day) - 1) * 36000 + second END;
CREATE MACRO clock(work) AS getvariable('monday')::TIMESTAMP + to_seconds(
  work // 180000 * 604800 + work % 180000 // 36000 * 86400 + 28800 + work % 36000);
SET VARIABLE cut = work_time(getvariable('export_day'), 0);
SET VARIABLE reps = greatest(5, round(60 * pow(getvariable('deals') / 2000, 0.62)))::BIGINT;

-- One row per stage: the name as stages.csv spells it, the usual working days a deal stays.
CREATE TABLE stages AS
FROM (VALUES
  (1, 'Lead Generation', 'Lead Generation', 5),
  (2, 'Qualified Lead', 'Qualified lead', 9),
  (3, 'Needs Assessment', 'Needs  Assessment', 13),
  (4, 'Proposal/Quote Preparation', 'Proposal/Quote Preparation', 10),
  (5, 'Negotiation', 'NEGOTIATION', 15),
  (6, 'Closing', 'Closing ', 7),
  (7, 'Implementation/Onboarding', 'Implementation/Onboarding', 25),
  (8, 'Follow-up/Customer Success', 'Follow-up/Customer Success', 50),
  (9, 'Renewal/Expansion', 'Renewal/Expansion', 60)
) AS t (stage_id, stage_name, exported_name, usual_days);

-- One row per stage and type: the share of deals there that get one, with an average rep.
CREATE TABLE activity_mix AS
SELECT *, row_number() OVER (ORDER BY stage_id, type) AS slot
FROM (VALUES
  (1, 'email', 0.80), (1, 'follow_up', 0.40), (2, 'email', 0.45), (2, 'follow_up', 0.20),
  (2, 'meeting', 0.65), (3, 'email', 0.40), (3, 'meeting', 0.30), (3, 'sc_2', 0.55),
  (4, 'email', 0.35), (4, 'proposal', 0.80), (4, 'sc_2', 0.30), (5, 'email', 0.45),
  (5, 'follow_up', 0.55), (5, 'meeting', 0.15), (6, 'follow_up', 0.40), (6, 'proposal', 0.20),
  (7, 'after_close_call', 0.75), (7, 'email', 0.30), (8, 'after_close_call', 0.50),
  (8, 'follow_up', 0.25), (9, 'after_close_call', 0.40), (9, 'meeting', 0.35)
) AS t (stage_id, type, share);

-- One row per loss reason: its weight in the first stage and from the sixth on.
CREATE TABLE reasons AS
FROM (VALUES
  (1, 'Customer Not Ready', 30, 12), (2, 'Pricing, Budget or Terms', 8, 38),
  (3, 'Unreachable Customer', 34, 6), (4, 'Product Mismatch', 16, 12),
  (5, 'Duplicate Entry', 10, 1), (6, 'Lost to Competitor', 2, 31)
) AS t (reason_id, label, early, late);

-- One row per stage and reason: the draws that mean this reason there.
CREATE TABLE reason_draws AS
WITH weighted AS (
  SELECT stage_id, reason_id, 5 * early + (late - early) * least(stage_id - 1, 5) AS weight
  FROM reasons, stages
)
SELECT stage_id, reason_id,
  (sum(weight) OVER upto - weight) / sum(weight) OVER (PARTITION BY stage_id) AS low,
  sum(weight) OVER upto / sum(weight) OVER (PARTITION BY stage_id) AS high
FROM weighted WINDOW upto AS (PARTITION BY stage_id ORDER BY reason_id);

-- One row per rep. The first ranks get the most deals.
CREATE TABLE reps AS
SELECT user_id, 2 * u('skill', user_id) - 1 AS skill,
  row_number() OVER (ORDER BY u('busy', user_id)) AS busy_rank
FROM range(1, getvariable('reps') + 1) AS t (user_id);

-- One row per day: the share of all intake before it, from growth, month and weekday.
CREATE TABLE calendar AS
WITH days AS (
  SELECT day::DATE AS day, round(
    (1000 + date_diff('day', getvariable('first_day'), day))
    * [100, 105, 120, 105, 100, 95, 80, 65, 115, 120, 115, 70][month(day)]
    * [115, 120, 110, 100, 85, 15, 10][isodow(day)])::BIGINT AS weight
  FROM range(getvariable('first_day')::TIMESTAMP, getvariable('export_day'), INTERVAL 1 DAY) t (day)
)
SELECT day, (sum(weight) OVER (ORDER BY day) - weight) / sum(weight) OVER () AS low FROM days;

-- One row per deal: its intake and its fate. Ids rise with time; 6 modulo 7 is never one.
CREATE TABLE deals AS
WITH intake AS (
  SELECT n, day, floor(36000 * u('second', n))::BIGINT AS second
  FROM range(getvariable('deals')) AS t (n) ASOF JOIN calendar ON u('day', n) >= low
),
fates AS (
  SELECT *, row_number() OVER (ORDER BY day, second, n) AS place,
    u('won', n) < 0.28 * (1 + 0.6 * skill) AS wins,
    CASE WHEN wins THEN 7 + (u('depth', n) < 0.75)::INT + (u('depth', n) < 0.4)::INT
      ELSE 1 + floor(6 * pow(u('depth', n), 1.5 - 0.3 * skill))::INT END AS last_stage
  FROM intake JOIN reps ON busy_rank = 1 + floor(getvariable('reps') * pow(u('rep', n), 1.6))
)
SELECT 7 * (1000 + place) + floor(6 * u('gap', n))::INT AS deal_id, user_id, skill, last_stage,
  day + to_seconds(28800 + second) AS created_at, work_time(day, second) AS starts,
  CASE WHEN wins THEN u('close', n) < 0.05 ELSE u('close', n) >= 0.07 END AS loses,
  CASE WHEN u('handover', n) < 0.215
    THEN 1 + floor(last_stage * u('handover stage', n))::INT END AS handover_stage,
  1 + floor(getvariable('reps') * u('next owner', n))::BIGINT AS next_owner
FROM fates;

-- One row per deal and stage it visits in its whole life: about every eighth step jumps over one.
CREATE TABLE visits AS
WITH stays AS (
  SELECT deal_id, stage_id, starts, skill, 10 * deal_id + stage_id AS visit,
    stage_id = last_stage AS is_last, loses AND is_last AS is_lost,
    if(stage_id >= handover_stage, next_owner, user_id) AS owner,
    600 + (36000 * usual_days * (1 - 0.2 * skill) * if(is_last AND stage_id < 7, 1.6, 1)
      * spread('stay', visit))::BIGINT AS stay
  FROM deals JOIN stages ON stage_id <= last_stage
  WHERE stage_id IN (1, last_stage) OR u('skip', 10 * deal_id + stage_id) >= 0.16
)
SELECT * EXCLUDE (starts), u('turn', visit) AS turn,
  starts + 3600 + floor(72000 * pow(u('delay', deal_id), 2))::BIGINT + sum(stay) OVER (
    PARTITION BY deal_id ORDER BY stage_id ROWS UNBOUNDED PRECEDING)::BIGINT - stay AS entered
FROM stays;

-- One row per change of a deal until the export: (deal_id, work time, field, value). A few visits
-- take a turn: back one stage and in again, or lost and reopened.
CREATE TABLE changes AS
WITH events AS (
  SELECT deal_id, starts + floor(1800 * u('assign', deal_id))::BIGINT AS work,
    'user_id' AS field, user_id AS value FROM deals
  UNION ALL
  SELECT deal_id, min(entered) - 60, 'user_id', arg_min(owner, entered)
  FROM visits JOIN deals USING (deal_id)
  WHERE owner = next_owner AND owner <> user_id GROUP BY deal_id
  UNION ALL
  SELECT deal_id, entered, 'stage_id', stage_id FROM visits
  UNION ALL
  SELECT deal_id, unnest([entered + stay * 3 // 10, entered + stay * 6 // 10]), 'stage_id',
    unnest([stage_id - 1, stage_id]) FROM visits WHERE turn < 0.022 AND stage_id BETWEEN 2 AND 7
  UNION ALL
  SELECT deal_id, entered + stay // 2, 'reopened', NULL
  FROM visits WHERE turn > 0.992 AND NOT is_last
  UNION ALL
  SELECT deal_id, entered + if(is_last, stay, stay // 4), 'lost_reason', reason_id
  FROM visits JOIN reason_draws USING (stage_id)
  WHERE (is_lost OR turn > 0.992 AND NOT is_last)
    AND u('reason', visit) >= low AND u('reason', visit) < high
)
FROM events WHERE work < getvariable('cut');

-- One row per activity, planned up to three working weeks ahead; what lies ahead is not done.
CREATE TABLE activities AS
WITH planned AS (
  SELECT deal_id, owner, type, 25 * deal_id + slot AS activity_id,
    entered + (least(stay, 2000000) * u('due', activity_id))::BIGINT AS work
  FROM visits JOIN activity_mix USING (stage_id)
  WHERE entered < getvariable('cut')
    AND u('active', 25 * deal_id + slot) < share * (1 + 0.3 * skill)
)
SELECT *, work < getvariable('cut') AND u('done', activity_id) < 0.715 AS done
FROM planned WHERE work < getvariable('cut') + 540000;
