ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS base
WORKDIR /app

# What runs: the packages of production alone.
FROM base AS packages
COPY package.json package-lock.json ./
# Bull Board reaches typescript as an optional peer of a peer, so that leaving out development packages keeps the compiler.
RUN --mount=type=cache,target=/tmp/npm npm_config_cache=/tmp/npm npm ci --omit=dev \
 && rm -rf node_modules/typescript node_modules/@typescript node_modules/.bin/tsc

FROM base AS build
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/tmp/npm npm_config_cache=/tmp/npm npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
# The servers for demo and tests stay behind: production brings its own MongoDB and Redis.
RUN npm run build && rm -rf dist/embedded

FROM base AS runtime
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o node -g node /data
ENV NODE_ENV=production FILES_DIR=/data
COPY package.json .env.worker.production ./
COPY scripts/healthcheck.mjs ./healthcheck.mjs
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
VOLUME /data
EXPOSE 3002 3003
# Live, not ready: an outage of Redis or MongoDB must not restart processes that will work again when it is over.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["node", "healthcheck.mjs"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["node", "--enable-source-maps", "dist/main.js"]
