# syntax=docker/dockerfile:1
# The server in an image of its own: no shell, no root, nothing to write to but the volume.
#   docker build -t entryguard .
#   docker run --read-only -v ./entryguard.toml:/etc/entryguard/entryguard.toml:ro -v entryguard:/var/lib/entryguard -p 8080:8080 entryguard

FROM rust:1.95-bookworm AS build
WORKDIR /src
# .dockerignore lets through what the build takes, and nothing else.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package entryguard \
    && install -D target/release/entryguard /out/usr/local/bin/entryguard \
    && mkdir -p /out/var/lib/entryguard /out/etc/entryguard

# The same Debian as above, so that the program finds the C library that it was built with; it has the roots of TLS, too.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/usr/local/bin/entryguard /usr/local/bin/entryguard
COPY --from=build --chown=65532:65532 /out/var/lib/entryguard /var/lib/entryguard
# As a number: Kubernetes can tell that it is not root's.
USER 65532:65532
# SQLite's file is here where the configuration says sqlite://entryguard.db.
WORKDIR /var/lib/entryguard
VOLUME ["/var/lib/entryguard"]
ENV ENTRYGUARD_CONFIG=/etc/entryguard/entryguard.toml
EXPOSE 8080
# Only whether it lives: a database that is away is no reason to stop what has to close things.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["/usr/local/bin/entryguard", "health"]
ENTRYPOINT ["/usr/local/bin/entryguard"]
CMD ["serve"]
