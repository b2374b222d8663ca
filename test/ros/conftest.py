from importlib.util import find_spec


def _is_installed(package: str) -> bool:
    # msstan_msgs is also a folder of the source tree, which Python takes for a package without a file of its own.
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


MISSING = [package for package in ("rclpy", "msstan_msgs") if not _is_installed(package)]
if MISSING:
    collect_ignore_glob = ["test_*.py"]
else:
    from live import log_folder, model_dir, spinner  # noqa: F401  fixtures of all tests here


def pytest_report_header() -> str:
    if MISSING:
        return f"live system: test/ros is left out, {' and '.join(MISSING)} not installed (make setup)"
    return "live system: rclpy and msstan_msgs found"
