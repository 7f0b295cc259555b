"""What keeps a process tidy: how signals end it, and its temporary folders."""
