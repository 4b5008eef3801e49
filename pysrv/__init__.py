"""The office: signalling, policy, money and pages, as a process without any capability."""
