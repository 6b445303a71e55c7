"""Where the embedded Redis listens."""

import hashlib
import tempfile
from pathlib import Path

# sun_path in sockaddr_un holds 108 bytes on Linux, 104 elsewhere.
_LONGEST_SOCKET_PATH = 100


def redis_socket(var_dir: Path) -> Path:
    """The socket's path: in the var folder, or in the temporary one where that path is too long."""
    path = var_dir / "redis" / "redis.sock"
    if len(str(path)) <= _LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(str(var_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"poreweb-{digest}.sock"


def default_redis_url(var_dir: Path) -> str:
    """Address of the embedded Redis for this var folder."""
    return f"unix://{redis_socket(var_dir)}?db=0"
