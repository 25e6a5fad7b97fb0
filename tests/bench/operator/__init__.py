"""The operator at scale, beside a naive one."""
