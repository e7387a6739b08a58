# The bot in a container: docs/container.md. Needs BuildKit, which is Docker's default since version 23.
#
# A base of your own needs python3 (3.11 to 3.13) with venv; tini is installed where it is missing.
ARG BASE_IMAGE=python:3.12-slim-bookworm

# Packages: the pinned ones, in an environment without pip, without their tests, compiled to bytecode. No compiler is
# needed: all are wheels but two that are pure Python, one of them (peewee) with NO_SQLITE set.
FROM ${BASE_IMAGE} AS packages
ENV PIP_CONFIG_FILE=/run/secrets/pip.conf \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    NO_SQLITE=1
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv
COPY requirements.txt /build/
RUN --mount=type=secret,id=pip.conf --mount=type=cache,target=/root/.cache/pip \
    /opt/pip/bin/pip --python /opt/venv/bin/python install --no-compile --only-binary :all: \
        --no-binary multitasking,peewee -r /build/requirements.txt
COPY deploy/image/slim.sh /build/
RUN sh /build/slim.sh /opt/venv

# The bot itself, apart from the packages: a new version changes a layer of a few megabytes.
FROM packages AS bot
COPY pyproject.toml README.md LICENSE /build/bot/
COPY robotrading /build/bot/robotrading
RUN --mount=type=secret,id=pip.conf --mount=type=cache,target=/root/.cache/pip \
    /opt/pip/bin/pip --python /opt/venv/bin/python install --no-compile --no-deps --target /opt/robotrading \
        /build/bot \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/robotrading

FROM ${BASE_IMAGE} AS final
# tini hands signals on and clears up after processes that have lost their parent. Its version is the base's business.
# hadolint ignore=DL3008
RUN if ! command -v tini >/dev/null; then \
        apt-get update \
        && apt-get install -y --no-install-recommends tini \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old; \
    fi \
    && groupadd --gid 10001 robotrading \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin \
        robotrading \
    && install -d -o 10001 -g 10001 -m 0750 /state \
    && install -d -m 0755 /config /run/secrets
COPY --from=packages /opt/venv /opt/venv
COPY --from=bot /opt/robotrading /opt/robotrading

# CREDENTIALS_DIRECTORY: a secret is the file of its name in there, where its variable is not set.
ENV PATH=/opt/robotrading/bin:/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/robotrading \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    CREDENTIALS_DIRECTORY=/run/secrets \
    ROBOTRADING_STATE_DIR=/state \
    ROBOTRADING_HOST=0.0.0.0

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="robotrading" \
      org.opencontainers.image.description="An unattended portfolio rebalancer for Interactive Brokers" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.documentation="docs/container.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

USER 10001:10001
# config.yaml is looked for in the working folder; without one the defaults hold.
WORKDIR /config
VOLUME /state
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 \
    CMD ["robotrading", "health"]
ENTRYPOINT ["tini", "--", "robotrading"]
CMD ["serve"]
