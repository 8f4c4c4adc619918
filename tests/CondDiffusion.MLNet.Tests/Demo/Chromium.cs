using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Demo;

/// <summary>
/// A page in Chromium without a window, by way of Chrome's DevTools protocol. Where there is no Chromium, the calling
/// test is inconclusive.
/// </summary>
internal sealed class Chromium : IDisposable
{
    private const string Announcement = "DevTools listening on ";

    private static readonly string[] Arguments =
    [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
    ];

    private readonly TemporaryDirectory _profile = new();
    private readonly ClientWebSocket _socket = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(1));
    private readonly Process _process;

    private Chromium(string program)
    {
        _process = new()
        {
            StartInfo = new(program, [.. Arguments, $"--user-data-dir={_profile.Path}", "about:blank"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            },
        };
    }

    /// <summary>Opens a page.</summary>
    public static async Task<Chromium> OpenAsync(Uri url)
    {
        var chromium = new Chromium(ExternalProgram.Find("chromium"));
        try
        {
            await chromium.ConnectAsync();
            await chromium.CallAsync("Page.navigate", new { url });
            await chromium.WaitAsync("document.readyState === 'complete'");
            return chromium;
        }
        catch
        {
            chromium.Dispose();
            throw;
        }
    }

    /// <summary>Returns the value of a JavaScript expression in the page.</summary>
    public async Task<JsonElement> EvaluateAsync(string expression)
    {
        var result = await CallAsync("Runtime.evaluate", new { expression, returnByValue = true });
        Assert.IsFalse(result.TryGetProperty("exceptionDetails", out var exception), $"{exception}");
        return result.GetProperty("result").TryGetProperty("value", out var value) ? value : default;
    }

    /// <summary>Waits until a JavaScript expression is true.</summary>
    public async Task WaitAsync(string condition)
    {
        while ((await EvaluateAsync(condition)).ValueKind != JsonValueKind.True)
            await Task.Delay(50, _timeout.Token);
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
        _socket.Dispose();
        _timeout.Dispose();
        _profile.Dispose();
    }

    private async Task ConnectAsync()
    {
        var announced = new TaskCompletionSource<Uri>();
        _process.ErrorDataReceived += (_, e) =>
        {
            if (e.Data?.StartsWith(Announcement, StringComparison.Ordinal) is true)
                announced.TrySetResult(new(e.Data[Announcement.Length..]));
        };
        _process.Start();
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        var browser = await announced.Task.WaitAsync(_timeout.Token);

        using var client = new HttpClient();
        var targets = await client.GetFromJsonAsync<JsonElement[]>(
            new Uri($"http://{browser.Authority}/json/list"), _timeout.Token);
        var page = targets!.First(target => target.GetProperty("type").ValueEquals("page"));
        await _socket.ConnectAsync(new(page.GetProperty("webSocketDebuggerUrl").GetString()!), _timeout.Token);
    }

    private async Task<JsonElement> CallAsync(string method, object parameters)
    {
        var call = JsonSerializer.SerializeToUtf8Bytes(new { id = 1, method, @params = parameters });
        await _socket.SendAsync(call, WebSocketMessageType.Text, endOfMessage: true, _timeout.Token);

        // Nothing subscribes to events, so the next message is the answer.
        await using var message = WebSocketStream.CreateReadableMessageStream(_socket);
        var answer = await JsonSerializer.DeserializeAsync<JsonElement>(message, cancellationToken: _timeout.Token);
        Assert.IsFalse(answer.TryGetProperty("error", out var error), $"{method}: {error}");
        return answer.GetProperty("result");
    }
}
