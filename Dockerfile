# docker build -t slabd . && docker run -p 127.0.0.1:11211:11211 slabd -m 1024

FROM debian:12 AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
	make gcc libc6-dev libuv1-dev libsodium-dev libxxhash-dev \
	libseccomp-dev libssl-dev libmicrohttpd-dev pkg-config
COPY . /src
WORKDIR /src
RUN make all && make install DESTDIR=/out PREFIX=/usr/local

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
	libuv1 libsodium23 libseccomp2 libssl3 libmicrohttpd12 && \
	rm -rf /var/lib/apt/lists/* && \
	useradd --system --no-create-home --shell /usr/sbin/nologin slabd
COPY --from=build /out/usr/local /usr/local
USER slabd
EXPOSE 11211
STOPSIGNAL SIGTERM
# It does not know what `docker run` gives the server: with -Z there, or another
# port, --health-cmd 'slabd --healthcheck -Z' is needed, too.
HEALTHCHECK --interval=10s --timeout=5s CMD ["slabd", "--healthcheck"]
# A container's network is its own: all of it, but only what is published is
# reached from outside.
ENTRYPOINT ["slabd", "-l", "*"]
