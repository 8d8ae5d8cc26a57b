# Two images from one file, and a third for the trial of docker-compose.yml:
#   docker build --target coordinator -t fedrot-coordinator .
#   docker build --target client -t fedrot-client .
# They run as the user `node` (1000) on a read-only root file system, keep what they must not lose in /data, and drain on
# SIGTERM.

FROM node:24-bookworm-slim AS build
# onnxruntime-node's CPU library is in the package; .npmrc keeps its install script from downloading CUDA libraries.
ENV ONNXRUNTIME_NODE_INSTALL=skip
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
COPY proto proto
COPY LICENSE README.md CHANGELOG.md ./
RUN node scripts/build.mjs

FROM build AS build-client
RUN node scripts/production-tree.mjs --out /production

FROM build AS build-coordinator
RUN node scripts/production-tree.mjs --out /production --coordinator

# Sample data and a small model, from packages that only development installs.
FROM build AS build-trial
RUN node scripts/trial-data.mjs --out /trial

FROM node:24-bookworm-slim AS runtime
ENV NODE_ENV=production
WORKDIR /app
RUN mkdir /data && chown node:node /data && ln -s /app/dist/cli/main.js /usr/local/bin/fedrot
VOLUME /data
USER node
ENTRYPOINT ["node", "/app/dist/cli/main.js"]

FROM runtime AS client
COPY --from=build-client /production ./
# Metrics and health on the container's own loopback, unless told otherwise.
ENV FEDROT_FOLDER=/data FEDROT_METRICS_PORT=9472
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "/app/scripts/health.mjs", "client"]
CMD ["client"]

FROM client AS trial
COPY --from=build-trial /trial /trial
COPY deploy/compose /trial
# Volumes that are mounted here begin as empty folders of this user.
USER root
RUN mkdir /shared && chown node:node /shared && chmod 0755 /trial/*.sh
USER node
ENTRYPOINT []

FROM runtime AS coordinator
COPY --from=build-coordinator /production ./
# Inside a container the published ports decide who reaches it. `docker exec … fedrot token create` acts as the first operator.
ENV FEDROT_DATA_FOLDER=/data FEDROT_GRPC_HOST=0.0.0.0 FEDROT_HTTP_HOST=0.0.0.0 FEDROT_CREDENTIAL=/data/pki/admin
# V8 lets its nursery grow to 33 MB while modules are loaded; what is large in a coordinator lies elsewhere (docs/performance.md).
ENV NODE_OPTIONS=--max-semi-space-size=4
EXPOSE 9470 9471
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "/app/scripts/health.mjs", "coordinator"]
CMD ["coordinator"]
