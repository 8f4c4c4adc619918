using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>Converts a model file to an ONNX file, without libtorch.</summary>
internal static class OnnxCommand
{
    public static void Run(string[] args)
    {
        var arguments = new Arguments(args, ["--model", "--out"], ["--steps"]);
        var model = arguments.Text("--model");
        var file = arguments.Text("--out");
        ModelFile.CheckWritable(file, "--out");
        new MLContext().ImageGeneration.ConvertToOnnx(model, file, new() { IncludeSteps = arguments.Has("--steps") });
        Console.WriteLine($"Saved {file}.");
    }
}
