# The plain API: `docker build -t mle-star .`, then deploy/compose.api.yml or `docker run -p 127.0.0.1:8000:8000`.
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/mle-star && /opt/mle-star/bin/pip install --no-cache-dir --no-deps -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY mle_star mle_star
COPY graphs graphs
COPY prompts prompts
RUN /opt/mle-star/bin/pip install --no-cache-dir ".[postgres]"

FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 mle-star && mkdir /data && chown mle-star /data
COPY --from=build /opt/mle-star /opt/mle-star
ENV PATH=/opt/mle-star/bin:$PATH \
    MLE_STAR_SERVER_RUNS_DIR=/data/runs \
    MLE_STAR_SERVER_UPLOADS_DIR=/data/uploads
USER mle-star
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
# The key comes from the environment: without MLE_STAR_API_KEY the server refuses to listen to other machines.
CMD ["mle-star", "serve", "--host", "0.0.0.0", "--port", "8000"]
