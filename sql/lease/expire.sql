SELECT set_config('idle_session_timeout', %(timeout)s, false)
