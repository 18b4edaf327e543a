-- Who the notebooks are: reads what readers may, and cannot write.
CREATE ROLE funnel_analyst LOGIN IN ROLE funnel_reader;
ALTER ROLE funnel_analyst SET default_transaction_read_only = on;
