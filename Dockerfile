# Two stages: wheels are built in the first, and the second holds nothing but Python and them.

FROM python:3.13-slim AS wheels
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
COPY migrations ./migrations
RUN pip wheel --no-cache-dir --constraint constraints.txt --wheel-dir /wheels .

FROM python:3.13-slim
RUN groupadd --system --gid 10001 dunning \
    && useradd --system --uid 10001 --gid dunning --home-dir /var/lib/dunning --create-home dunning
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels --constraint /tmp/constraints.txt dunning-service \
    && rm /tmp/constraints.txt

ENV PYTHONUNBUFFERED=1 \
    DUNNING_HOST=0.0.0.0 \
    DUNNING_PORT=8000
# an SQLite database, when no other is named, lies in the volume
WORKDIR /var/lib/dunning
VOLUME /var/lib/dunning
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['DUNNING_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["dunning"]
CMD ["serve"]
