-- Needs the temporary tables owner_spans, stage_spans and losses of ingest_and_staging.sql, and its variable as_of.

DROP SCHEMA IF EXISTS intermediate CASCADE;
CREATE SCHEMA intermediate;

CREATE TABLE intermediate.int_deal_losses AS
WITH events AS (
    FROM losses
    UNION ALL
    SELECT deal_id, closed_at, NULL
    FROM staging.stg_deals
    LEFT JOIN (SELECT deal_id, max(lost_at) AS last_logged_at FROM losses GROUP BY deal_id) USING (deal_id)
    WHERE status = 'lost' AND closed_at IS NOT NULL
      AND (last_logged_at IS NULL OR EXISTS (
          SELECT 1 FROM stage_spans
          WHERE stage_spans.deal_id = stg_deals.deal_id AND from_at >= last_logged_at AND from_at <= closed_at))
)
SELECT events.deal_id, lost_at, lost_reason_id, coalesce(option_label, 'Unknown reason') AS lost_reason_label, stage_id
FROM events
LEFT JOIN staging.stg_field_options ON field_key = 'lost_reason' AND option_id = lost_reason_id
LEFT JOIN stage_spans ON stage_spans.deal_id = events.deal_id AND lost_at <= to_at
  AND lost_at > from_at - CASE WHEN transition_number = 1 THEN INTERVAL '1 microsecond' ELSE INTERVAL '0 microsecond' END;

CREATE TABLE intermediate.int_deal_stage_transitions AS
WITH until_loss AS (
    SELECT deal_id, lost_at, lag(lost_at, 1, '-infinity') OVER (PARTITION BY deal_id ORDER BY lost_at) AS since
    FROM intermediate.int_deal_losses
), stays AS (
    SELECT stage_spans.deal_id, stage_spans.stage_id, transition_number, previous_stage_id, stage_spans.from_at AS entered_at,
           least(nullif(stage_spans.to_at, 'infinity'), lost_at) AS left_at, user_id,
           CASE WHEN lost_at IS NULL OR stage_spans.to_at < lost_at THEN following END AS next_stage_id
    FROM stage_spans
    LEFT JOIN until_loss
      ON until_loss.deal_id = stage_spans.deal_id AND stage_spans.from_at >= since AND stage_spans.from_at < lost_at
    LEFT JOIN owner_spans
      ON owner_spans.deal_id = stage_spans.deal_id
     AND stage_spans.from_at >= owner_spans.from_at AND stage_spans.from_at < owner_spans.to_at
)
SELECT deal_id, stage_id, stage_name, funnel_step, transition_number, previous_stage_id, next_stage_id, entered_at, left_at,
       greatest(date_diff('microsecond', entered_at, coalesce(left_at, getvariable('as_of')::TIMESTAMP)) / 1e6 / 86400, 0) AS days_in_stage,
       user_id
FROM stays
LEFT JOIN staging.stg_stages USING (stage_id);

DROP TABLE owner_spans;
DROP TABLE stage_spans;
DROP TABLE losses;

CREATE TABLE intermediate.int_deal_activities AS
WITH step_types(activity_type, funnel_step) AS (VALUES ('meeting', '2.1'), ('sc_2', '3.1'))
SELECT deal_id, funnel_step, any_value(kpi_name) AS kpi_name, min(due_at) AS entered_at, count(*) AS done_activities
FROM staging.stg_activities
JOIN step_types USING (activity_type)
JOIN staging.stg_funnel_steps USING (funnel_step)
WHERE is_done AND deal_id IS NOT NULL AND due_at IS NOT NULL
GROUP BY deal_id, funnel_step;

CREATE TABLE intermediate.int_deal_funnel_entries AS
SELECT deal_id, funnel_step, kpi_name, entered_at, 'stage' AS source
FROM intermediate.int_deal_stage_transitions JOIN staging.stg_funnel_steps USING (funnel_step)
UNION ALL
SELECT deal_id, funnel_step, kpi_name, entered_at, 'activity' FROM intermediate.int_deal_activities
UNION ALL
SELECT deal_id, 'Lost', 'Lost', lost_at, 'loss' FROM intermediate.int_deal_losses;
