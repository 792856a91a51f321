# The gateway in an image with no shell, no package manager and no root.
#
#   docker build -t portcullis .
#   docker run --read-only --cap-drop ALL -p 8443:8443 \
#     -v ./config:/portcullis/config:ro -v ./policies:/portcullis/policies:ro -v ./certs:/portcullis/certs:ro \
#     -v portcullis-data:/portcullis/data portcullis
#
# Files that are mounted must be readable for the user 65532.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --package portcullis --bin portcullis \
 && install -D target/dist/portcullis /out/portcullis \
 && mkdir /out/data

# Of the same Debian as the builder: aws-lc and SQLite are C and want its libc.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/portcullis /usr/local/bin/portcullis
# A new volume takes its owner from here.
COPY --from=build --chown=65532:65532 /out/data /portcullis/data
WORKDIR /portcullis
VOLUME ["/portcullis/data"]
USER 65532:65532
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/usr/local/bin/portcullis", "health"]
ENTRYPOINT ["/usr/local/bin/portcullis"]
CMD ["run", "--config", "config/portcullis.toml"]
