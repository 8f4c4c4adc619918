using System.Globalization;
using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Benchmarks.Mutations;

switch (args)
{
    case ["training"]:
        TrainingBenchmark.Run(rounds: 7);
        break;
    case ["training-memory", var variant]:
        TrainingBenchmark.PrintPeakMemory(variant);
        break;
    case ["store"]:
        StoreBenchmark.Run();
        break;
    case ["interruption"]:
        InterruptionBenchmark.Run(kills: 10);
        break;
    case ["interruption-training", .. var directory]:
        InterruptionBenchmark.Train(directory.FirstOrDefault());
        break;
    case ["sampling"]:
        SamplingBenchmark.Run(rounds: 7);
        break;
    case ["sampling-memory", var rows]:
        SamplingBenchmark.PrintPeakMemory(int.Parse(rows, CultureInfo.InvariantCulture));
        break;
    case ["quality", .. var rest]:
        QualityBenchmark.Run(new(rest, "--data", "--epochs", "--images", "--out", "--pictures"));
        break;
    case ["samplers", .. var rest]:
        SamplerBenchmark.Run(new(rest, "--model", "--data", "--count"));
        break;
    case ["mutations", .. var rest]:
        MutationBenchmark.Run(new(rest, "--count", "--first"));
        break;
    default:
        Console.Error.WriteLine(
            """
            Usage: dotnet run -c Release --project benchmarks -- COMMAND
              training | sampling | store | interruption
              quality --data DIR [--epochs N] [--images N] [--out FILE] [--pictures DIR]
              mutations [--count N] [--first N]
              samplers --model FILE.zip --data DIR [--count N]
            """);
        return 2;
}
return 0;
