# Two images from one file:
#   docker build --target coordinator -t fedrot-coordinator .
#   docker build --target client -t fedrot-client .
# Both run as the user `node` (1000), keep what they must not lose in /data, and drain on SIGTERM.

FROM node:24-bookworm-slim AS build
# onnxruntime-node's CPU library is in the package; its install script would download CUDA libraries.
ENV ONNXRUNTIME_NODE_INSTALL=skip
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
COPY proto proto
RUN node scripts/build.mjs \
  && npm prune --omit=dev --no-audit --no-fund \
  && node scripts/trim-packages.mjs

FROM build AS build-coordinator
RUN node scripts/trim-packages.mjs --coordinator

FROM node:24-bookworm-slim AS runtime
ENV NODE_ENV=production
WORKDIR /app
RUN mkdir /data && chown node:node /data
VOLUME /data
COPY package.json LICENSE README.md ./
COPY proto proto
USER node
ENTRYPOINT ["node", "/app/dist/cli/main.js"]

FROM runtime AS client
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
ENV FEDROT_FOLDER=/data
CMD ["client"]

FROM runtime AS coordinator
COPY --from=build-coordinator /build/node_modules node_modules
COPY --from=build-coordinator /build/dist dist
# Inside a container the published ports decide who reaches it.
ENV FEDROT_DATA_FOLDER=/data FEDROT_GRPC_HOST=0.0.0.0 FEDROT_HTTP_HOST=0.0.0.0
EXPOSE 9470 9471
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.FEDROT_HTTP_PORT || 9471) + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["coordinator"]
