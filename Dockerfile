# The bot, for `whysync serve`: what the lock names, nothing that builds, nothing that could be written to. docs/install.md
FROM python:3.11.14-slim-bookworm AS built

COPY infra/azure/requirements.lock /tmp/requirements.lock
RUN python -m venv --without-pip /opt/whysync \
 && python -m pip --python /opt/whysync/bin/python --disable-pip-version-check --no-cache-dir \
      install --no-compile --require-hashes --only-binary :all: -r /tmp/requirements.lock

# Of msgraph-sdk the bot uses the adapter alone: its 200 MB of generated models are left out. The run below, and a
# test, see to it that nothing needs them.
RUN cd /opt/whysync/lib/python3.11/site-packages/msgraph/generated \
 && find . -mindepth 1 -maxdepth 1 -type d -exec rm -r {} + \
 && rm kiota-dom-export.txt

COPY bot /opt/whysync/app/bot
COPY skills /opt/whysync/app/skills
COPY manifest /opt/whysync/app/manifest
# What is imported is compiled here, since the running bot can write nothing: it starts in less than half the time.
RUN cd /opt/whysync/app \
 && /opt/whysync/bin/python -c "import bot.app, bot.azure_monitor, azure.monitor.opentelemetry.exporter"


FROM python:3.11.14-slim-bookworm

RUN python -m pip --disable-pip-version-check uninstall --yes --root-user-action=ignore pip \
 && mkdir /data && chown 10001:10001 /data
COPY --from=built /opt/whysync /opt/whysync

ENV PATH=/opt/whysync/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WHYSYNC_HOST=0.0.0.0 \
    WHYSYNC_PORT=3978 \
    WHYSYNC_STORE=sqlite:////data/whysync.sqlite3
WORKDIR /opt/whysync/app

# By number, so that a platform that refuses root can see that this is not root.
USER 10001:10001
# Only for a store in a file; with Table Storage nothing is written anywhere.
VOLUME /data
EXPOSE 3978

# Container Apps has probes of its own and does not look at this.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['WHYSYNC_PORT']}/healthz\", timeout=4)"]

ENTRYPOINT ["python", "-m", "bot"]
CMD ["serve"]
