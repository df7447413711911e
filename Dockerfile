# One file, two images (docs/container.md): `published`, without the Edge TPU compiler, whose terms
# forbid to pass it on, and `bundled`, with it, for whoever builds on a machine of their own. The last
# stage is what `docker build .` and `uses:` of a branch make.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

# What the program needs: the locked wheels and nothing else, each checked by its hash.
FROM ${PYTHON_IMAGE} AS wheels
COPY requirements.lock /build/
RUN python -m venv /opt/coral \
    && /opt/coral/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \
       --no-deps --require-hashes -r /build/requirements.lock

# The program itself, in a layer of its own: a new release leaves the large layer as it is.
FROM wheels AS program
COPY pyproject.toml README.md LICENSE /build/
COPY coral_action /build/coral_action
COPY entrypoint.py /program/
# Bytecode that is not checked against its source holds no times: the same commit, the same bytes.
RUN /opt/coral/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \
       --no-deps --no-build-isolation --prefix /program /build \
    && PYTHONHASHSEED=0 /opt/coral/bin/python -m compileall -q --invalidation-mode unchecked-hash \
       -s /program -p /opt/coral /program/lib \
    && find /program -exec touch -h -d @1577836800 {} +

# The packages without what never runs.
FROM wheels AS packages
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
COPY container/slim.py /build/
RUN PYTHONHASHSEED=0 python -I /build/slim.py /opt/coral/lib/python3.11/site-packages \
    && find /opt/coral -exec touch -h -d @1577836800 {} +

# The compiler, from Coral's package repository, whose signing keys are pinned.
FROM ${PYTHON_IMAGE} AS compiler
ARG COMPILER_VERSION=16.0
ARG COMPILER_REPOSITORY=https://packages.cloud.google.com/apt
# The "Artifact Registry Repository Signer" of Google Cloud, and its signing key of 2022.
ARG COMPILER_KEYS="35BAA0B33E9EB396F59CA838C0BA5CE6DC6315A3 A362B822F6DEDC652817EA46B53DC80D13EDEF05"
COPY container/fetch_compiler.py /build/
RUN python -I /build/fetch_compiler.py --repository "$COMPILER_REPOSITORY" \
    --version "$COMPILER_VERSION" --keys "$COMPILER_KEYS" --output /compiler

FROM ${PYTHON_IMAGE} AS published
# A user for the child processes that read a stranger's model. GitHub starts the container as root.
# Git refuses folders of other owners, and the workspace belongs to the runner.
RUN SOURCE_DATE_EPOCH=1577836800 useradd --system --uid 64100 --user-group --no-create-home \
       --home-dir /nonexistent --shell /usr/sbin/nologin coral-child \
    && printf '[safe]\n\tdirectory = /github/workspace\n' >/etc/gitconfig
COPY --from=packages /opt/coral /opt/coral
COPY --from=program /program /opt/coral
# Absolute, as GitHub sets the working folder and HOME; isolated (-I) from what it sets beside them.
ENTRYPOINT ["/opt/coral/bin/python", "-I", "/opt/coral/entrypoint.py"]
ARG VERSION=0.0.0.dev0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="coral-quantize" \
      org.opencontainers.image.description="Quantize TensorFlow models for the Coral Edge TPU, and explain the result" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/org/coral-quantize" \
      org.opencontainers.image.documentation="https://github.com/org/coral-quantize/blob/main/docs/container.md" \
      org.opencontainers.image.vendor="coral-quantize" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-bookworm" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM published AS bundled
COPY --from=compiler /compiler/usr /usr
