# The image of Quietmaker: the bot, and the paper exchange, which is the same program.
#
# deploy/build.sh builds it from a commit, never from a working tree. It builds without a network when the
# context has a folder `wheels` (deploy/wheels.sh fills it) and the base images are at hand.
#
#   BUILD_BASE  has Python with pip and, for a compiled core, a C compiler
#   BASE        has the same Python; nothing else is used of it, no shell either once the image is built
#   REVISION    the commit; without it there is no image
ARG BUILD_BASE=docker.io/library/python:3.13-bookworm
ARG BASE=docker.io/library/python:3.13-slim-bookworm

FROM ${BUILD_BASE} AS build
ARG INTERPRETED=
COPY . /src
RUN set -eu; \
    python3 -m venv /opt/quietmaker; \
    pip="/opt/quietmaker/bin/python -m pip --disable-pip-version-check --no-cache-dir"; \
    if [ -d /src/wheels ]; then \
        $pip install --no-index --find-links /src/wheels quietmaker; \
    else \
        $pip install --constraint /src/deploy/constraints.txt /src; \
    fi; \
    $pip uninstall --yes pip; \
    [ -n "${INTERPRETED}" ] || /opt/quietmaker/bin/quietmaker version --json | grep -q '"compiled": true' || { \
        echo "the core is not compiled; --build-arg INTERPRETED=yes if you want it several times slower" >&2; exit 1; }; \
    /opt/quietmaker/bin/python -m compileall -q /opt/quietmaker/lib

FROM ${BASE}
ARG REVISION
ARG VERSION
ARG CREATED
# The user has a name and a home in passwd because PostgreSQL's initdb asks for them.
RUN test -n "${REVISION}" || { echo "REVISION is not given; build with deploy/build.sh" >&2; exit 1; }; \
    echo 'quietmaker:x:10001:10001::/var/lib/quietmaker:/usr/sbin/nologin' >> /etc/passwd && \
    echo 'quietmaker:x:10001:' >> /etc/group && \
    install -d -o 10001 -g 10001 -m 0700 /var/lib/quietmaker
COPY --from=build /opt/quietmaker /opt/quietmaker
COPY config /app/config
LABEL org.opencontainers.image.title="quietmaker" \
      org.opencontainers.image.description="A passive market maker for Coinbase Advanced Trade" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
ENV PATH=/opt/quietmaker/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONFAULTHANDLER=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    QUIETMAKER_HOME=/var/lib/quietmaker \
    QUIETMAKER_REVISION="${REVISION}"
WORKDIR /app
USER 10001:10001
VOLUME /var/lib/quietmaker
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["quietmaker", "health"]
ENTRYPOINT ["quietmaker"]
CMD ["run"]
