using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace CondDiffusion.Examples;

/// <summary>The contexts of commands, whose warnings go to the error output.</summary>
internal static class CommandContext
{
    public static MLContext Create(int seed)
    {
        var ml = new MLContext(seed);
        ml.Log += (_, log) =>
        {
            if (log.Kind == ChannelMessageKind.Warning) Console.Error.WriteLine($"Warning: {log.RawMessage}");
        };
        return ml;
    }
}
