-- Needs the setting timezone, in which months are cut.

CREATE SCHEMA marts;

CREATE FUNCTION pg_temp.local_month(t timestamp) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT date_trunc('month', CASE
    WHEN current_setting('handwritten.timezone') = 'UTC' THEN t
    ELSE t AT TIME ZONE 'UTC' AT TIME ZONE current_setting('handwritten.timezone') END)::date $$;

CREATE FUNCTION pg_temp.pct(part double precision, whole double precision) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT 100 * part / nullif(whole, 0) $$;

CREATE FUNCTION pg_temp.days(since timestamp, till timestamp) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT date_part('epoch', till - since) / 86400 $$;

-- Distinct deals are counted in two steps, which hash: count(DISTINCT) sorts.

CREATE TABLE marts.rep_sales_funnel_monthly AS
WITH entered AS (
    SELECT DISTINCT pg_temp.local_month(entered_at) AS month, funnel_step, deal_id FROM intermediate.int_deal_funnel_entries
), counted AS (
    SELECT month, funnel_step, count(*) AS deals_count FROM entered GROUP BY month, funnel_step
), months AS (
    SELECT generate_series(min(month)::timestamp, max(month)::timestamp, interval '1 month')::date AS month FROM counted
)
SELECT month, kpi_name, funnel_step, coalesce(deals_count, 0) AS deals_count
FROM months CROSS JOIN staging.stg_funnel_steps LEFT JOIN counted USING (month, funnel_step)
ORDER BY month, step_order;

CREATE TABLE marts.rep_sales_rep_performance_monthly AS
WITH by_deal AS (
    SELECT pg_temp.local_month(due_at) AS month, user_id, deal_id, count(*) AS activities,
           count(*) FILTER (WHERE activity_type = 'meeting') AS meetings, count(*) FILTER (WHERE activity_type = 'sc_2') AS second_calls
    FROM staging.stg_activities
    WHERE is_done AND due_at IS NOT NULL
    GROUP BY month, user_id, deal_id
), worked AS (
    SELECT month, user_id, count(deal_id) AS deals_worked, sum(activities)::bigint AS activities_completed,
           sum(meetings)::bigint AS sales_call_1_completed, sum(second_calls)::bigint AS sales_call_2_completed
    FROM by_deal
    GROUP BY month, user_id
)
SELECT month, user_id,
       CASE WHEN user_id IS NULL THEN 'Unassigned' ELSE coalesce(sales_rep_name, 'Unknown user #' || user_id) END AS sales_rep_name,
       deals_worked, activities_completed, sales_call_1_completed, sales_call_2_completed,
       activities_completed - sales_call_1_completed - sales_call_2_completed AS other_activities
FROM worked LEFT JOIN staging.stg_users USING (user_id);

-- One row per deal of the funnel: the first entry into each step, and the last main step it entered.

CREATE UNLOGGED TABLE marts.deal_steps AS
WITH firsts AS (
    SELECT deal_id,
           min(entered_at) FILTER (WHERE funnel_step = '1') AS step_1_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '2') AS step_2_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '2.1') AS step_2_1_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '3') AS step_3_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '3.1') AS step_3_1_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '4') AS step_4_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '5') AS step_5_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '6') AS step_6_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '7') AS step_7_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '8') AS step_8_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = '9') AS step_9_entered_at,
           min(entered_at) FILTER (WHERE funnel_step = 'Lost') AS step_lost_entered_at
    FROM intermediate.int_deal_funnel_entries
    GROUP BY deal_id
)
SELECT *, CASE WHEN step_9_entered_at IS NOT NULL THEN '9' WHEN step_8_entered_at IS NOT NULL THEN '8'
               WHEN step_7_entered_at IS NOT NULL THEN '7' WHEN step_6_entered_at IS NOT NULL THEN '6'
               WHEN step_5_entered_at IS NOT NULL THEN '5' WHEN step_4_entered_at IS NOT NULL THEN '4'
               WHEN step_3_entered_at IS NOT NULL THEN '3' WHEN step_2_entered_at IS NOT NULL THEN '2'
               WHEN step_1_entered_at IS NOT NULL THEN '1' END AS furthest_step
FROM firsts;

ANALYZE marts.deal_steps;

CREATE TABLE marts.rep_funnel_dropoff AS
WITH crossed AS ( -- deals by a step they entered ('any': all deals) and the last main step they entered
    SELECT unnest(ARRAY['any', '1', '2', '2.1', '3', '3.1', '4', '5', '6', '7', '8', '9', 'Lost']) AS step_entered,
           unnest(ARRAY[count(*), count(step_1_entered_at), count(step_2_entered_at), count(step_2_1_entered_at),
                        count(step_3_entered_at), count(step_3_1_entered_at), count(step_4_entered_at), count(step_5_entered_at),
                        count(step_6_entered_at), count(step_7_entered_at), count(step_8_entered_at), count(step_9_entered_at),
                        count(step_lost_entered_at)]) AS deals,
           min(step_order) AS furthest
    FROM marts.deal_steps LEFT JOIN staging.stg_funnel_steps ON funnel_step = furthest_step
    GROUP BY furthest_step
), steps AS (
    SELECT *, min(step_order) FILTER (WHERE kind = 'stage') OVER () AS first_main,
           max(step_order) FILTER (WHERE kind = 'stage') OVER (ORDER BY step_order ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous_main
    FROM staging.stg_funnel_steps
), counted AS (
    SELECT step_order, funnel_step, kpi_name, kind,
           coalesce(sum(deals) FILTER (WHERE step_entered = funnel_step), 0)::bigint AS deals_entered,
           coalesce(sum(deals) FILTER (WHERE step_entered = funnel_step AND furthest >= first_main), 0) AS entered_of_first,
           coalesce(sum(deals) FILTER (WHERE step_entered = funnel_step AND furthest >= previous_main), 0) AS entered_of_previous,
           coalesce(sum(deals) FILTER (WHERE step_entered = 'any' AND furthest >= step_order), 0)::bigint AS reached,
           coalesce(sum(deals) FILTER (WHERE step_entered = 'any' AND furthest >= first_main), 0) AS first_reached,
           coalesce(sum(deals) FILTER (WHERE step_entered = 'any' AND furthest >= previous_main), 0) AS previous_reached
    FROM steps LEFT JOIN crossed ON step_entered IN ('any', funnel_step)
    GROUP BY step_order, funnel_step, kpi_name, kind
), volumes AS (
    SELECT funnel_step, sum(deals_count)::bigint AS total_volume FROM marts.rep_sales_funnel_monthly GROUP BY funnel_step
), standing AS ( -- deals that are not lost, by the furthest main step
    SELECT furthest_step AS funnel_step, count(*)::bigint AS deals
    FROM marts.deal_steps JOIN staging.stg_deals USING (deal_id)
    WHERE status <> 'lost'
    GROUP BY furthest_step
), remaining AS (
    SELECT funnel_step, coalesce(deals, 0) AS deals_not_lost, lag(coalesce(deals, 0)) OVER (ORDER BY step_order) AS not_lost_before
    FROM staging.stg_funnel_steps LEFT JOIN standing USING (funnel_step)
    WHERE kind = 'stage'
)
SELECT funnel_step, kpi_name, kind, coalesce(total_volume, 0) AS total_volume,
       CASE WHEN kind <> 'loss' THEN pg_temp.pct(coalesce(total_volume, 0), lag(coalesce(total_volume, 0)) OVER (ORDER BY step_order)) END AS retention_rate_pct,
       deals_entered, CASE kind WHEN 'stage' THEN reached ELSE deals_entered END AS deals_reached,
       CASE WHEN kind = 'stage' THEN pg_temp.pct(reached, previous_reached)
            WHEN kind = 'activity' AND entered_of_first > 0 THEN pg_temp.pct(entered_of_previous, previous_reached) END AS conversion_from_previous_pct,
       CASE WHEN kind = 'stage' THEN pg_temp.pct(reached, first_reached)
            WHEN entered_of_first > 0 THEN pg_temp.pct(entered_of_first, first_reached) END AS conversion_from_first_pct,
       deals_not_lost, CASE kind WHEN 'stage' THEN pg_temp.pct(reached, previous_reached - not_lost_before) END AS decided_conversion_pct
FROM counted LEFT JOIN volumes USING (funnel_step) LEFT JOIN remaining USING (funnel_step)
ORDER BY step_order;

CREATE TABLE marts.rep_losses_monthly AS
WITH lost AS (
    SELECT DISTINCT pg_temp.local_month(lost_at) AS month, lost_reason_label, coalesce(funnel_step, 'none') AS funnel_step, deal_id
    FROM intermediate.int_deal_losses LEFT JOIN staging.stg_stages USING (stage_id)
)
SELECT month, lost_reason_label, funnel_step, count(*) AS deals_count
FROM lost
GROUP BY month, lost_reason_label, funnel_step;

CREATE TABLE marts.rep_stage_dwell AS
WITH stays AS (
    SELECT step_order, count(left_at) AS completed_stays, avg(days_in_stage) FILTER (WHERE left_at IS NOT NULL) AS mean_days,
           percentile_cont(ARRAY[0.5, 0.75, 0.9]) WITHIN GROUP (ORDER BY days_in_stage) FILTER (WHERE left_at IS NOT NULL) AS quantiles,
           count(*) - count(left_at) AS open_stays,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY days_in_stage)
               FILTER (WHERE left_at IS NULL AND entered_at <= current_setting('handwritten.as_of')::timestamp) AS open_median_days
    FROM intermediate.int_deal_stage_transitions JOIN staging.stg_funnel_steps USING (funnel_step)
    GROUP BY step_order
)
SELECT funnel_step, kpi_name, coalesce(completed_stays, 0) AS completed_stays, mean_days, quantiles[1] AS median_days,
       quantiles[2] AS p75_days, quantiles[3] AS p90_days, coalesce(open_stays, 0) AS open_stays, open_median_days
FROM staging.stg_funnel_steps LEFT JOIN stays USING (step_order)
WHERE kind = 'stage'
ORDER BY step_order;

CREATE TABLE marts.obt_deals AS
WITH worked AS (
    SELECT deal_id, count(*) AS activities_completed FROM staging.stg_activities WHERE is_done AND deal_id IS NOT NULL GROUP BY deal_id
), entered AS (
    SELECT deal_id, max(transition_number) AS stages_entered FROM intermediate.int_deal_stage_transitions GROUP BY deal_id
)
SELECT deal_id, created_at, user_id, sales_rep_name, status, stage_id, stage_name, stage.funnel_step,
       furthest_step, furthest.kpi_name AS furthest_kpi_name, lost_reason_id,
       CASE status WHEN 'lost' THEN coalesce(option_label, 'Unknown reason') END AS lost_reason_label,
       closed_at, pg_temp.days(created_at, closed_at) AS days_to_close, value, currency,
       coalesce(stages_entered, 0) AS stages_entered, coalesce(activities_completed, 0) AS activities_completed,
       step_1_entered_at, step_2_entered_at, step_2_1_entered_at, step_3_entered_at, step_3_1_entered_at, step_4_entered_at,
       step_5_entered_at, step_6_entered_at, step_7_entered_at, step_8_entered_at, step_9_entered_at, step_lost_entered_at
FROM staging.stg_deals
LEFT JOIN marts.deal_steps USING (deal_id)
LEFT JOIN entered USING (deal_id)
LEFT JOIN worked USING (deal_id)
LEFT JOIN staging.stg_users USING (user_id)
LEFT JOIN staging.stg_stages AS stage USING (stage_id)
LEFT JOIN staging.stg_funnel_steps AS furthest ON furthest.funnel_step = furthest_step
LEFT JOIN staging.stg_field_options ON field_key = 'lost_reason' AND option_id = lost_reason_id;

DROP TABLE marts.deal_steps;

CREATE TABLE marts.rep_key_figures AS
WITH closed AS (
    SELECT count(*) AS deals, count(*) FILTER (WHERE status = 'won') AS deals_won, count(*) FILTER (WHERE status = 'lost') AS deals_lost,
           count(*) FILTER (WHERE status = 'lost' AND deal_id IN (SELECT deal_id FROM intermediate.int_deal_funnel_entries JOIN staging.stg_funnel_steps USING (funnel_step) WHERE is_won)) AS deals_lost_once_won,
           count(*) FILTER (WHERE status = 'open') AS deals_open,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY days_to_close) FILTER (WHERE status IN ('won', 'lost')) AS median_days_to_close
    FROM marts.obt_deals
), by_user AS (
    SELECT user_id, count(*) AS activities FROM staging.stg_activities WHERE is_done GROUP BY user_id
), done AS (
    SELECT coalesce(sum(activities), 0)::bigint AS activities_completed, count(user_id) AS active_reps,
           count(user_id) FILTER (WHERE user_id NOT IN (SELECT user_id FROM staging.stg_users)) AS active_unknown_reps
    FROM by_user
), stalled AS (
    SELECT count(DISTINCT deal_id) AS deals_stalled
    FROM intermediate.int_deal_stage_transitions JOIN marts.rep_stage_dwell USING (funnel_step) JOIN staging.stg_deals USING (deal_id)
    WHERE status = 'open' AND left_at IS NULL AND days_in_stage > p90_days
), span AS (
    SELECT min(month) AS first_month, max(month) AS last_month FROM marts.rep_sales_funnel_monthly
)
SELECT deals, deals_won, deals_lost, deals_lost_once_won, deals_open, deals_stalled, pg_temp.pct(deals_won, deals_won + deals_lost) AS win_rate_pct, median_days_to_close,
       activities_completed, active_reps, active_unknown_reps, first_month, last_month
FROM closed, done, stalled, span;

CREATE TABLE marts.rep_days_to_close AS
WITH lasted AS (
    SELECT status, count(*) AS deals,
           percentile_cont(ARRAY[0.5, 0.75, 0.9]) WITHIN GROUP (
               ORDER BY pg_temp.days(created_at, CASE status WHEN 'open' THEN current_setting('handwritten.as_of')::timestamp ELSE closed_at END)) AS quantiles
    FROM marts.obt_deals
    WHERE CASE status WHEN 'open' THEN created_at <= current_setting('handwritten.as_of')::timestamp ELSE created_at IS NOT NULL AND closed_at IS NOT NULL END
    GROUP BY status
)
SELECT status, deals, quantiles[1] AS median_days, quantiles[2] AS p75_days, quantiles[3] AS p90_days FROM lasted;

-- A deal has reached a main step when it entered it or a later one.

CREATE TABLE marts.rep_cohorts AS
WITH entered AS (
    SELECT pg_temp.local_month(created_at) AS month, deal_id,
           max(step_order) FILTER (WHERE kind = 'stage' AND entered_at <= created_at + interval '90 days') AS furthest
    FROM marts.obt_deals
    LEFT JOIN intermediate.int_deal_funnel_entries USING (deal_id)
    LEFT JOIN staging.stg_funnel_steps AS steps ON steps.funnel_step = int_deal_funnel_entries.funnel_step
    WHERE created_at IS NOT NULL
    GROUP BY month, deal_id
), months AS (
    SELECT generate_series(min(month)::timestamp, max(month)::timestamp, interval '1 month')::date AS month FROM entered
), counted AS (
    SELECT month, step_order, count(deal_id) AS deals_created, count(deal_id) FILTER (WHERE furthest >= step_order) AS deals_reached
    FROM months CROSS JOIN staging.stg_funnel_steps LEFT JOIN entered USING (month)
    WHERE kind = 'stage'
    GROUP BY month, step_order
)
SELECT month, funnel_step, kpi_name, deals_created, deals_reached, pg_temp.pct(deals_reached, deals_created) AS reached_pct,
       month + interval '1 month' + interval '90 days' <= CASE
           WHEN current_setting('handwritten.timezone') = 'UTC' THEN current_setting('handwritten.as_of')::timestamp
           ELSE current_setting('handwritten.as_of')::timestamp AT TIME ZONE 'UTC' AT TIME ZONE current_setting('handwritten.timezone') END AS is_mature
FROM counted JOIN staging.stg_funnel_steps USING (step_order);

CREATE TABLE marts.rep_monthly_figures AS
WITH stalls AS (
    SELECT entered_at + round(p90_days * 86400) * interval '1 second' AS since, least(left_at, closed_at) AS until
    FROM intermediate.int_deal_stage_transitions JOIN marts.rep_stage_dwell USING (funnel_step) JOIN marts.obt_deals USING (deal_id)
    WHERE days_in_stage > p90_days AND (status = 'open' OR closed_at IS NOT NULL)
), events AS (
    SELECT pg_temp.local_month(created_at) AS month, 'created' AS what, NULL::double precision AS days, count(*) AS times
    FROM marts.obt_deals WHERE created_at IS NOT NULL GROUP BY month
    UNION ALL
    SELECT pg_temp.local_month(greatest(created_at, closed_at)), 'ended', NULL, count(*)
    FROM marts.obt_deals WHERE created_at IS NOT NULL AND status <> 'open' GROUP BY 1
    UNION ALL
    SELECT pg_temp.local_month(closed_at), status, days_to_close, 1
    FROM marts.obt_deals WHERE closed_at IS NOT NULL AND status IN ('won', 'lost')
    UNION ALL
    SELECT pg_temp.local_month(since), 'stalled', NULL, count(*)
    FROM stalls WHERE until IS NULL OR until > since GROUP BY 1
    UNION ALL
    SELECT pg_temp.local_month(until), 'moved', NULL, count(*)
    FROM stalls WHERE until > since GROUP BY 1
    UNION ALL
    SELECT pg_temp.local_month(due_at), CASE WHEN activity_type IN ('meeting', 'sc_2') THEN 'call' ELSE 'other' END, NULL, count(*)
    FROM staging.stg_activities WHERE is_done AND due_at IS NOT NULL GROUP BY 1, 2
), months AS (
    SELECT generate_series(min(month)::timestamp, max(month)::timestamp, interval '1 month')::date AS month FROM events
), counted AS (
    SELECT month, percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median_days_to_close,
           coalesce(sum(times) FILTER (WHERE what = 'created'), 0)::bigint AS deals_created,
           coalesce(sum(times) FILTER (WHERE what = 'ended'), 0)::bigint AS deals_ended,
           coalesce(sum(times) FILTER (WHERE what = 'won'), 0)::bigint AS deals_won,
           coalesce(sum(times) FILTER (WHERE what = 'lost'), 0)::bigint AS deals_lost,
           coalesce(sum(times) FILTER (WHERE what = 'stalled'), 0)::bigint AS stalls_began,
           coalesce(sum(times) FILTER (WHERE what = 'moved'), 0)::bigint AS stalls_ended,
           coalesce(sum(times) FILTER (WHERE what IN ('call', 'other')), 0)::bigint AS activities_completed,
           coalesce(sum(times) FILTER (WHERE what = 'call'), 0)::bigint AS calls_completed
    FROM months LEFT JOIN events USING (month)
    GROUP BY month
)
SELECT month, deals_created, deals_won, deals_lost, pg_temp.pct(deals_won, deals_won + deals_lost) AS win_rate_pct, median_days_to_close,
       (sum(deals_created - deals_ended) OVER (ORDER BY month))::bigint AS open_deals,
       (sum(stalls_began - stalls_ended) OVER (ORDER BY month))::bigint AS stalled_deals, activities_completed, calls_completed
FROM counted;

CREATE TABLE marts.rep_sales_rep_totals AS
SELECT user_id, CASE WHEN user_id IS NULL THEN 'Unassigned' ELSE coalesce(sales_rep_name, 'Unknown user #' || user_id) END AS sales_rep_name,
       count(DISTINCT deal_id) AS deals_worked, count(*) AS activities_completed,
       count(*) FILTER (WHERE activity_type = 'meeting') AS sales_call_1_completed,
       count(*) FILTER (WHERE activity_type = 'sc_2') AS sales_call_2_completed,
       count(*) FILTER (WHERE coalesce(activity_type, '') NOT IN ('meeting', 'sc_2')) AS other_activities,
       count(*)::double precision / nullif(count(DISTINCT deal_id), 0) AS activities_per_deal
FROM staging.stg_activities LEFT JOIN staging.stg_users USING (user_id)
WHERE is_done AND due_at IS NOT NULL
GROUP BY user_id, sales_rep_name;

CREATE TABLE marts.rep_source_mix AS
WITH kinds AS (
    SELECT 'changes by field' AS category, changed_field_key AS value, count(*) AS rows_count, min(changed_at) AS first_at, max(changed_at) AS last_at
    FROM staging.stg_deal_changes GROUP BY value
    UNION ALL
    SELECT 'activities by type', activity_type, count(*), min(due_at), max(due_at) FROM staging.stg_activities GROUP BY activity_type
    UNION ALL
    SELECT 'completed activities by type', activity_type, count(*), min(due_at), max(due_at)
    FROM staging.stg_activities WHERE is_done GROUP BY activity_type
    UNION ALL
    SELECT 'stage entries by stage', coalesce(stage_name, 'Unknown stage #' || stage_id), count(*), min(entered_at), max(entered_at)
    FROM intermediate.int_deal_stage_transitions GROUP BY coalesce(stage_name, 'Unknown stage #' || stage_id)
    UNION ALL
    SELECT 'deals by status', status, count(*), min(created_at), max(created_at) FROM marts.obt_deals GROUP BY status
    UNION ALL
    SELECT 'deals by stages entered', stages_entered::text, count(*), min(created_at), max(created_at)
    FROM marts.obt_deals GROUP BY stages_entered
    UNION ALL
    SELECT 'deals by completed activities', activities_completed::text, count(*), min(created_at), max(created_at)
    FROM marts.obt_deals GROUP BY activities_completed
    UNION ALL
    SELECT 'stages outside the funnel', coalesce(stage_name, 'Unknown stage #' || stage_id), count(*), min(entered_at), max(entered_at)
    FROM intermediate.int_deal_stage_transitions WHERE funnel_step IS NULL GROUP BY coalesce(stage_name, 'Unknown stage #' || stage_id)
    UNION ALL
    SELECT 'unknown activity types', activity_type, count(*), min(due_at), max(due_at)
    FROM staging.stg_activities
    WHERE NOT EXISTS (SELECT FROM staging.stg_activity_types AS known WHERE known.activity_type = stg_activities.activity_type)
    GROUP BY activity_type
)
SELECT * FROM kinds;
