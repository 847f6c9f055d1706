# PostgreSQL with ignisign, and the sandbox: the packages of debian/, built and
# installed on top of the official image.

ARG PG_MAJOR=17
FROM postgres:${PG_MAJOR}-trixie AS build
ARG PG_MAJOR

ENV DEB_BUILD_OPTIONS=nocheck DEB_BUILD_PROFILES=nocheck
COPY . /build/src
RUN sh /build/src/test/tools/package.sh deps
RUN PG_SUPPORTED_VERSIONS="${PG_MAJOR}" \
	sh /build/src/test/tools/package.sh build /build/out

FROM postgres:${PG_MAJOR}-trixie
ARG PG_MAJOR

LABEL org.opencontainers.image.version="1.1.0"
COPY --from=build /build/out/*.deb /tmp/packages/
RUN apt-get update \
	&& apt-get install -y --no-install-recommends \
		"/tmp/packages/postgresql-${PG_MAJOR}-ignisign_"*.deb \
		/tmp/packages/ignisign-sandbox_*.deb \
	&& rm -rf /tmp/packages /var/lib/apt/lists/*

CMD ["postgres", "-c", "shared_preload_libraries=ignisign"]
