# One file, two images (docs/container.md): `published`, without the Edge TPU compiler, whose terms
# forbid to pass it on, and `bundled`, with it, for whoever builds on a machine of their own. The last
# stage is what `docker build .` and `uses:` of a branch make.
FROM docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS base

# What the program needs: the locked wheels and nothing else, each checked by its hash.
FROM base AS wheels
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
FROM base AS compiler
ARG COMPILER_VERSION=16.0
ARG COMPILER_REPOSITORY=https://packages.cloud.google.com/apt
# The "Artifact Registry Repository Signer" of Google Cloud, and its signing key of 2022.
ARG COMPILER_KEYS="35BAA0B33E9EB396F59CA838C0BA5CE6DC6315A3 A362B822F6DEDC652817EA46B53DC80D13EDEF05"
COPY container/fetch_compiler.py /build/
RUN python -I /build/fetch_compiler.py --repository "$COMPILER_REPOSITORY" \
    --version "$COMPILER_VERSION" --keys "$COMPILER_KEYS" --output /compiler

# What changes in the base system: bytecode of Python's library, which the base image leaves out; a
# user for the child processes that read a stranger's model; and Git, which refuses folders of other
# owners, told that the workspace, which belongs to the runner, is fine.
FROM base AS system
RUN mkdir -p /system/etc /system/usr \
    && PYTHONHASHSEED=0 python -I -m compileall -q -f --invalidation-mode unchecked-hash \
       -x '/(test|tests|idlelib|lib2to3|ensurepip|pydoc_data|turtledemo|tkinter|distutils|site-packages|config-[^/]*)/' \
       /usr/local/lib/python3.11 \
    && find /usr/local/lib/python3.11 -name '*.pyc' -not -path '*/site-packages/*' -print0 \
       | tar -C / --null --absolute-names --transform 's,^/,,' -T - -c | tar -C /system -x \
    && groupadd --system --gid 64100 coral-child \
    && SOURCE_DATE_EPOCH=1577836800 useradd --system --uid 64100 --gid 64100 --no-create-home \
       --home-dir /nonexistent --shell /usr/sbin/nologin coral-child \
    && cp -p /etc/passwd /etc/group /etc/shadow /etc/gshadow /system/etc \
    && printf '[safe]\n\tdirectory = /github/workspace\n' >/system/etc/gitconfig \
    && find /system -exec touch -h -d @1577836800 {} +

# Nothing runs in the images that are kept: what is in them came by COPY.
FROM base AS published
COPY --from=system /system/ /
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
