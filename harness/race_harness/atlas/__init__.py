"""The atlas: every scenario on every release, and which races came and went when."""
