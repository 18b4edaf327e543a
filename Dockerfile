# The image of the Prefect server, the worker and every run (target `runtime`), and the same with
# JupyterLab (target `notebooks`). How they are used: compose.yaml and docs/containers.md.
# The tag names one release of Python; its digest can only be looked up online.
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm

# The lock is complete and names wheels only, so pip resolves and compiles nothing. The packages go
# into an environment without pip, and neither pip nor its cache leaves this stage.
FROM ${PYTHON_IMAGE} AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt /locks/
RUN python -m pip --python /opt/venv/bin/python install --quiet --no-deps --require-hashes \
        --only-binary :all: --requirement /locks/requirements.txt

FROM packages AS notebook-packages
COPY requirements-notebooks.txt /locks/
RUN python -m pip --python /opt/venv/bin/python install --quiet --no-deps --require-hashes \
        --only-binary :all: --requirement /locks/requirements-notebooks.txt

# The code belongs to root, and the user of the runs can only read it. What runs write, they write
# where they do without a container, into data and reports/out, and what is to be kept from those who
# see these into the user's home. Prefect's records are in /var/lib/prefect.
FROM ${PYTHON_IMAGE} AS base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sales-funnel" \
      org.opencontainers.image.description="A Pipedrive export in, a trusted monthly sales funnel and an HTML report out." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11.15-slim-bookworm"
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip setuptools wheel \
    && groupadd --gid 10001 funnel \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/sales-funnel --no-create-home \
        --shell /usr/sbin/nologin funnel \
    && install --directory --owner=10001 --group=10001 --mode=0700 \
        /var/lib/sales-funnel /var/lib/prefect /app/data /app/reports/out
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/sales-funnel \
    PREFECT_HOME=/var/lib/prefect \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    DO_NOT_TRACK=1 \
    FUNNEL_SOURCE=/usr/share/sales-funnel/sample \
    FUNNEL_MASKING_KEY_FILE=/var/lib/sales-funnel/.masking_key \
    FUNNEL_FORGOTTEN_USERS_FILE=/var/lib/sales-funnel/.forgotten_users
WORKDIR /app
COPY data/sample /usr/share/sales-funnel/sample
COPY prefect.yaml ./
COPY transforms ./transforms
COPY flows ./flows
COPY reports ./reports
# Whatever the umask of whoever checked it out.
RUN chmod -R a+rX flows transforms reports prefect.yaml /usr/share/sales-funnel \
    && chmod 0700 reports/out \
    && python -m compileall -q flows transforms reports

FROM base AS notebooks
COPY --from=notebook-packages /opt/venv /opt/venv
# The notebooks are part of the code. What is to be changed is saved into `mine`.
COPY pyproject.toml ./
RUN install --directory --owner=10001 --group=10001 --mode=0700 /app/reports/notebooks/mine
ENV PYTHONPATH=/app
USER 10001:10001
EXPOSE 8888
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8888/api', timeout=4)"]
CMD ["jupyter", "lab", "--no-browser", "--ip=0.0.0.0", "--port=8888", "--ServerApp.root_dir=/app/reports/notebooks"]

# Last, and so what `docker build .` makes. By itself it is one run, which has nothing to ask for
# health; the services of compose.yaml that stay have checks of their own.
FROM base AS runtime
COPY --from=packages /opt/venv /opt/venv
USER 10001:10001
HEALTHCHECK NONE
CMD ["python", "-m", "flows.main"]
