# One image for the web process and the workers; compose.yaml says which is which.
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 VAR_DIR=/data
WORKDIR /app
COPY pyproject.toml constraints.txt ./
COPY tools tools
RUN python tools/requirements | pip install -r /dev/stdin -c constraints.txt
COPY . .
RUN useradd --system --home-dir /data poreweb && mkdir -p /data && chown poreweb /data
USER poreweb
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "poreweb.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4", "--timeout", "300", "--no-control-socket"]
