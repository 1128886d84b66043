-- wrk's requests: the bodies of a file, one a line, in rotation, to the path that the address names.
local requests, turn = {}, 0

function init(_)
  for body in io.lines(os.getenv("BODIES")) do
    requests[#requests + 1] = wrk.format("POST", wrk.path, {["Content-Type"] = "application/json"}, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end
