pods "mine" {
  idle = "1h"
}
