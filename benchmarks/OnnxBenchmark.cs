using System.Diagnostics;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Compares the generation of images in libtorch, in ONNX Runtime and in ONNX Runtime's WebAssembly: speed, time to the
/// first image, memory, and sizes on the disk.
/// </summary>
internal static class OnnxBenchmark
{
    private const string WebRuntime = "docs/demo/node_modules/onnxruntime-web/dist";

    private static readonly int[] Counts = [1, 16];

    /// <summary>The runtimes, with the files of a model and of native code that they need.</summary>
    private static readonly (string Name, string ModelFile, string[] NativeFiles)[] Runtimes =
    [
        ("libtorch, float32", "float32.zip", ["libtorch*.so", "libc10.so", "libgomp*", "libLibTorchSharp.so"]),
        ("libtorch, bfloat16", "bfloat16.zip", ["libtorch*.so", "libc10.so", "libgomp*", "libLibTorchSharp.so"]),
        ("ONNX Runtime, float32", "float32.onnx", ["libonnxruntime*.so"]),
        ("ONNX Runtime, float16 weights", "float16.onnx", ["libonnxruntime*.so"]),
    ];

    public static void Run(int rounds)
    {
        Console.WriteLine(
            $"Images in 20 steps without guidance: medians of {rounds} interleaved rounds, in WebAssembly one " +
            $"measurement; {get_num_threads()} threads. A new process generates the first image, from its file on.");
        Console.WriteLine();
        PrintRow(
            "network", "runtime", "ms for 1 image", "ms per image of 16", "ms to the first image",
            "memory for it, MB", "model file, MB", "native code, MB");
        PrintRow(Enumerable.Repeat("---", 8));
        Measure("published", MeasuredNetworks.Plain, rounds);
        Measure("residual", MeasuredNetworks.Residual, rounds);
    }

    /// <summary>
    /// Loads a model file, generates an image, and prints the milliseconds that this took and the peak memory in MB.
    /// </summary>
    public static void PrintStart(string file)
    {
        var clock = Stopwatch.StartNew();
        var (model, generate) = Load(file);
        using (model) generate(1);
        var peak = Process.GetCurrentProcess().PeakWorkingSet64 / 1_000_000;
        Console.WriteLine($"{clock.ElapsedMilliseconds} {peak}");
    }

    private static void Measure(string network, UNetShape shape, int rounds)
    {
        var directory = Directory.CreateTempSubdirectory("conddiffusion-").FullName;
        string[] files = [.. Runtimes.Select(runtime => Path.Combine(directory, runtime.ModelFile))];
        Save(shape, Precision.Float32, files[0]);
        Save(shape, Precision.BFloat16, files[1]);
        var catalog = new MLContext().ImageGeneration;
        catalog.ConvertToOnnx(files[0], files[2]);
        catalog.ConvertToOnnx(files[0], files[3], new() { Weights = OnnxWeights.Float16 });

        var models = files.Select(Load).ToArray();
        double[][][] times = [.. Counts.Select(count => Rounds.Measure(rounds, [.. models.Select(Timer(count))]))];
        foreach (var (model, _) in models) model.Dispose();

        foreach (var (i, (name, _, nativeFiles)) in Runtimes.Index())
        {
            PrintRow([
                network, name,
                .. times.Select(ofCount => $"{Rounds.Median(ofCount[i]) * 1e3:F0}"),
                .. ReadOutput(Environment.ProcessPath!, "onnx-start", files[i]),
                Megabytes([files[i]]),
                Megabytes(nativeFiles.SelectMany(pattern => Directory.GetFiles(AppContext.BaseDirectory, pattern))),
            ]);
        }

        if (Directory.Exists(WebRuntime)) PrintWebAssembly(network, files[2]);
        Directory.Delete(directory, recursive: true);
    }

    private static void PrintWebAssembly(string network, string file)
    {
        string[] arguments =
            ["benchmarks/wasm.mjs", file, .. Counts.Prepend(get_num_threads()).Select(number => $"{number}")];
        PrintRow([
            network, "WebAssembly, float32", .. ReadOutput("node", arguments), Megabytes([file]),
            Megabytes([Path.Combine(WebRuntime, "ort-wasm-simd-threaded.wasm")]),
        ]);
    }

    private static void Save(UNetShape shape, Precision precision, string file)
    {
        var ml = new MLContext();
        var description = MeasuredNetworks.Describe(shape, new() { Steps = 20, Precision = precision });
        using var model = new ConditionalDiffusionTransformer(
            ml, description, ConditionalUNet.Create(shape, CPU, seed: 1));
        ml.Model.Save(model, null, file);
    }

    /// <summary>Loads a model file in its runtime, and returns what generates a number of images with it.</summary>
    private static (IDisposable Model, Action<int> Generate) Load(string file)
    {
        if (Path.GetExtension(file) == ".onnx")
        {
            var generator = OnnxImageGenerator.Load(file);
            return (generator, count => _ = generator.GenerateBatches(Conditions(count)).Count());
        }

        var model = (ConditionalDiffusionTransformer)new MLContext().Model.Load(file, out _);
        return (model, count => model.Generator.Generate(Conditions(count)));
    }

    /// <summary>Returns what measures the seconds for each of a number of images.</summary>
    private static Func<(IDisposable, Action<int> Generate), Func<double>> Timer(int count) =>
        model => () => Rounds.Time(1, () => model.Generate(count)) / count;

    private static Condition[] Conditions(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new Condition(i % 10, (uint)i, 1))];

    /// <summary>Runs a program, and returns the words that it prints.</summary>
    private static string[] ReadOutput(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        return process.StandardOutput.ReadToEnd().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    private static string Megabytes(IEnumerable<string> files) =>
        $"{files.Sum(file => new FileInfo(file).Length) / 1e6:F1}";

    private static void PrintRow(params IEnumerable<string> cells) =>
        Console.WriteLine($"| {string.Join(" | ", cells)} |");
}
