using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>
/// Loads damaged and forged model files, and generates an image with each model that loads. The rules are those of
/// docs/model-files.md.
/// </summary>
internal static class ModelMutations
{
    /// <summary>More values than this are no image to generate in a test, only one to load.</summary>
    private const long MostWork = 1 << 20;

    private const long MostBytes = 256 << 20;

    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(2);

    /// <summary>Tries the files with the numbers from <paramref name="first"/>.</summary>
    public static MutationOutcomes Run(int first, int count)
    {
        var outcomes = new MutationOutcomes();
        var ml = new MLContext(seed: 1);
        var mutator = new ModelMutator(ml);
        for (var number = first; number < first + count; number++)
        {
            T0.Start(); var (file, isForged) = mutator.Create(number); T0.Stop();
            outcomes.Add($"{(isForged ? "forged" : "damaged")}: {Try(ml, outcomes, number, file, isForged)}");
        }

        Console.WriteLine($"create {T0.Elapsed} load {T1.Elapsed} gen {T2.Elapsed} failing {Failing}"); return outcomes;
    }
 static Stopwatch T0=new(),T1=new(),T2=new(); static TimeSpan Failing;
    /// <summary>Loads a file and returns what became of it.</summary>
    private static string Try(MLContext ml, MutationOutcomes outcomes, int number, byte[] file, bool isForged)
    {
        ITransformer? model = null;
        var clock = Stopwatch.StartNew();
        var before = GC.GetAllocatedBytesForCurrentThread();
        string outcome;
        try
        {
            T1.Start(); model = ModelZip.Load(ml, file);
            outcome = "loads";
        }
        catch (Exception exception)
        {
            outcome = Classify(outcomes, number, exception.GetBaseException(), isForged);
        }

        if (model is null) Failing += clock.Elapsed; T1.Stop(); var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        outcomes.AddCost(number, "loading", clock.Elapsed, MostTime, allocated, file.Length + MostBytes);
        if (model is null) return outcome;

        using var disposable = model as IDisposable;
        return $"{outcome}, {Generate(outcomes, number, model, isForged ? file : null)}";
    }

    private static string Classify(MutationOutcomes outcomes, int number, Exception exception, bool isForged)
    {
        if (exception is FormatException && exception.Message.Contains("The model file cannot", StringComparison.Ordinal))
            return "refused by the library";

        // What ML.NET itself finds wrong, or .NET where ML.NET asks for an assembly by a damaged name.
        var isExpected = exception is FormatException or InvalidDataException or InvalidOperationException
            or IOException or ArgumentException;
        if (isForged || !isExpected) outcomes.Violations.Add($"File {number}: {exception}");
        return $"refused by ML.NET, {exception.GetType().Name}";
    }

    private static string Generate(MutationOutcomes outcomes, int number, ITransformer model, byte[]? forged)
    {
        var transformer = model as ConditionalDiffusionTransformer
            ?? (model as IEnumerable<ITransformer>)?.OfType<ConditionalDiffusionTransformer>().FirstOrDefault();
        if (transformer is null) return "as another transformer";

        var (channels, pixels) = forged is null ? (1, 16) : ReadImageSize(forged);
        if (channels is not (1 or 3)) return "whose images are no images of one or three channels";
        if (pixels * transformer.Timesteps > MostWork) return "whose images are too large to generate here";

        T2.Start(); var clock = Stopwatch.StartNew();
        using var stop = new CancellationTokenSource(MostTime);
        try
        {
            var label = transformer.LabelValues?[0] ?? "1";
            foreach (var image in transformer.Generate([label], cancellationToken: stop.Token)) image.Dispose();
        }
        catch (Exception exception)
        {
            outcomes.Violations.Add($"File {number}: {exception}");
        }

        T2.Stop(); outcomes.AddCost(number, "generating", clock.Elapsed, MostTime, bytes: 0, mostBytes: 0);
        return "and generates";
    }

    /// <summary>Reads the size of an image from a description, without the library.</summary>
    private static (long Channels, long Pixels) ReadImageSize(byte[] file)
    {
        var zip = new ModelZip(file);
        using var json = JsonDocument.Parse(zip[ModelZip.Description]);
        var network = json.RootElement.GetProperty("Network");
        long Number(string name) => network.GetProperty(name).GetInt64();
        return (Number("Channels"), Number("Channels") * Number("Height") * Number("Width"));
    }
}
