package main

func init() {
	for name, known := range map[string]verb{
		"facts":   {"facts ROOT NAME", 2, 2, runFacts},
		"tree":    {"tree acl PATH ACCOUNT read|modify | tree list PATH", 2, 4, runTree},
		"service": {"service query|switch|start|stop|restart NAME …", 2, 4, runService},
		"exec":    {"exec FOLDER SECONDS PROGRAM [ARGUMENT…]", 3, -1, runExec},
		"kill":    {"kill PID", 1, 1, runKill},
		"serve":   {"serve RUN_JSON", 1, 1, runServe},
	} {
		verbs[name] = known
	}
}
