# Two stages: locked wheels with hashes, then only what runs.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
COPY requirements.lock /build/
RUN python -m venv /opt/coral \
    && /opt/coral/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps \
       --require-hashes -r /build/requirements.lock
COPY pyproject.toml README.md LICENSE /build/
COPY coral_action /build/coral_action
RUN /opt/coral/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps \
    --no-build-isolation /build

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="coral-quantize" \
      org.opencontainers.image.description="Quantize TensorFlow models for the Coral Edge TPU" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/coral /opt/coral
COPY entrypoint.py /opt/coral/entrypoint.py
# GitHub starts a container action as root, with its own working folder and HOME.
ENTRYPOINT ["/opt/coral/bin/python", "/opt/coral/entrypoint.py"]
