package main
import ("context";"encoding/json";"fmt";"math/rand/v2";"net/http";"net/url";"time")
type event struct {
	ID, Type, Data string
	Topics         []string
}

// follow calls handle with each event until the context ends, and resumes after the last one. It returns when it is refused.
func follow(ctx context.Context, base, topic, token string, handle func(event)) error {
	position := ""
	for {
		query := url.Values{"topic": {topic}, "wait": {"25s"}}
		if position != "" {
			query.Set("last_event_id", position)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/events?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		request.Header.Set("Accept", "application/json")
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			var page struct {
				Events []event
				Next   string
			}
			err = json.NewDecoder(response.Body).Decode(&page)
			response.Body.Close()
			switch status := response.StatusCode; {
			case status == http.StatusOK && err == nil:
				for _, e := range page.Events {
					handle(e) // type carillon.reset: something was missed
				}
				position = page.Next
				continue
			case status >= 400 && status < 500 && status != http.StatusTooManyRequests:
				return fmt.Errorf("refused: %s", response.Status)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2*time.Second + rand.N(2*time.Second)):
		}
	}
}

func main(){ctx,c:=context.WithTimeout(context.Background(),4*time.Second);defer c();fmt.Println(follow(ctx,"http://127.0.0.1:18099","news/*","sesame",func(e event){fmt.Println("go",e)}));fmt.Println(follow(context.Background(),"http://127.0.0.1:18099","bad/*/**/x","sesame",func(e event){}))}
