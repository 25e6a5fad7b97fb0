"""RecallBackups: on-demand backups of an instance's tables, each made exactly once and kept until somebody says so."""
