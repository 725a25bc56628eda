package main

func init() {
	for name, known := range map[string]verb{
		"facts":     {"facts ROOT NAME", 2, 2, runFacts},
		"tree":      {"tree acl PATH ACCOUNT read|modify | tree list PATH", 2, 4, runTree},
		"service":   {"service query|save|switch|start|stop|restart NAME …", 2, 5, runService},
		"switching": {"switching NAME ROOT TOKEN (of service switch itself)", 3, 3, runSwitching},
		"events":    {"events NAME LINES [since UNIX]", 2, 4, runEvents},
		"exec":      {"exec FOLDER SECONDS PROGRAM [ARGUMENT…]", 3, -1, runExec},
		"kill":      {"kill PID@START", 1, 1, runKill},
		"serve":     {"serve RUN_JSON", 1, 1, runServe},
	} {
		verbs[name] = known
	}
}
