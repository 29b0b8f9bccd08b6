# One static binary on an empty file system: no shell, no package manager, no root.
#
#   docker build -t carillon .
#   docker run --rm -p 8080:8080 carillon
#
# BUILDER can name any image with the Go toolchain, a shell and the CA certificates.
ARG BUILDER=docker.io/library/golang:1.26-bookworm

# The builder runs on the machine's own platform and cross-compiles; no emulation.
FROM --platform=$BUILDPLATFORM ${BUILDER} AS build
WORKDIR /src

# The modules are a separate layer: they are fetched again only when go.mod or go.sum change.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=dev
ARG COMMIT=unknown
ARG DATE=unknown
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT -X main.date=$DATE" \
      -o /out/carillon ./cmd/carillon \
    && mkdir -p /out/data

FROM scratch
ARG VERSION=dev
ARG COMMIT=unknown
ARG DATE=unknown
LABEL org.opencontainers.image.title="carillon" \
      org.opencontainers.image.description="Real-time push server: events from backends to browsers over Server-Sent Events" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.created="$DATE"

# The CA certificates are for outgoing TLS, such as fetching a JWKS URL. The time zone database is in the binary.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/carillon /carillon
# The directory of the log on disk (history.backend: disk). A fresh volume takes its owner and mode from here.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /data
ENV CARILLON_HISTORY_DISK_PATH=/data
VOLUME /data

# A numeric user, so that an orchestrator can verify that it is not root.
USER 65532:65532
# The public listener. The admin listener (metrics and profiles) is accessible only inside the container unless
# CARILLON_ADMIN_ADDR and CARILLON_ADMIN_TOKEN are set.
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/carillon", "healthcheck"]
ENTRYPOINT ["/carillon"]
